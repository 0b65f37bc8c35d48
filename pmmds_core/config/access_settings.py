"""Settings of access to the console: sign-in, sessions, trusted proxies and OpenID Connect.

Not here: the console's other settings (console_settings.py), signing in (pmmds_console/sign_in).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from pmmds_core.config.loop_settings import LoopSettings
from pmmds_core.config.values import PositiveFloat, TextList

_HEADER = r"[A-Za-z0-9!#$%&'*+.^_`|~-]"
HeaderName = Annotated[
    str, Meta(pattern=rf"^{_HEADER}+$", extra={"expected": "a header name such as X-Forwarded-User"})
]
OptionalHeaderName = Annotated[
    str, Meta(pattern=rf"^{_HEADER}*$", extra={"expected": "a header name such as X-Forwarded-Groups, or nothing"})
]


class AccessSettings(LoopSettings, frozen=True, kw_only=True):
    """The settings that control access to the console. The lists are parsed by pmmds_console/sign_in."""

    console_sign_in: Annotated[
        Literal["off", "users", "proxy", "oidc"],
        Meta(
            description="Sign-in to the console: `off` (loopback only), local users, a trusted proxy's header, or "
            "OpenID Connect"
        ),
    ] = "off"
    console_session_hours: Annotated[PositiveFloat, Meta(description="Maximum duration of a session in hours")] = 12.0
    console_session_idle_minutes: Annotated[
        PositiveFloat, Meta(description="Minutes without a request after which a session ends")
    ] = 60.0
    console_cookie_secure: Annotated[
        Literal["auto", "on"],
        Meta(description="Attribute Secure of the console's cookies: for requests over HTTPS, or always"),
    ] = "auto"
    console_trusted_proxies: Annotated[
        TextList,
        Meta(description="Addresses or networks (comma-separated) of proxies whose forwarded headers are trusted"),
    ] = ""
    console_proxy_user_header: Annotated[
        HeaderName, Meta(description="Header in which a trusted proxy sends the person's name")
    ] = "X-Forwarded-User"
    console_proxy_role_header: Annotated[
        OptionalHeaderName, Meta(description="Header in which a trusted proxy sends the person's roles; empty = none")
    ] = ""
    console_role_map: Annotated[
        TextList,
        Meta(
            description="Roles (comma-separated) by value of the role header or claim, such as `leads=approver`; "
            "empty = the values are roles"
        ),
    ] = ""
    console_default_role: Annotated[
        Literal["none", "viewer", "operator", "approver"],
        Meta(description="Role of people to whom proxy or OpenID Connect gives none; `none` refuses them"),
    ] = "none"
    console_oidc_discovery_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://\S+)?$",
            description="URL of the OpenID Connect provider's discovery document",
            extra={"expected": "a URL such as https://id.example/.well-known/openid-configuration"},
        ),
    ] = ""
    console_oidc_client_id: Annotated[str, Meta(description="Client ID at the OpenID Connect provider")] = ""
    console_oidc_client_secret: Annotated[str, Meta(description="Client secret at the OpenID Connect provider")] = ""
    console_oidc_scopes: Annotated[
        str, Meta(description="Scopes (separated by spaces) requested from the OpenID Connect provider")
    ] = "openid profile email"
    console_oidc_name_claim: Annotated[
        str, Meta(min_length=1, description="Claim of the ID token that contains the person's name")
    ] = "email"
    console_oidc_role_claim: Annotated[
        str, Meta(description="Claim of the ID token that contains the person's roles; empty = none")
    ] = ""
