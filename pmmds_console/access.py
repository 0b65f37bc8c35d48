"""Which requests are allowed: every request needs an actor, except the sign-in pages and static files.

With sign-in off, a console that listens on loopback is open for requests to a loopback host name that no proxy
forwarded. Not here: who sends a request (sign_in/actors.py), what an actor may change (actions/), checks of Host and
Origin (pmmds_core/runtime/web_guard.py).
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pmmds_console.addresses import AddressLimit, trusted_networks
from pmmds_console.problems import ProblemError
from pmmds_console.sign_in.actors import Actors, SignInRequiredError
from pmmds_console.sign_in.answers import error_response, wants_page
from pmmds_console.sign_in.role_map import role_map
from pmmds_core.config.settings import Settings
from pmmds_core.errors import SettingError
from pmmds_core.runtime.web_requests import is_loopback_host

ALIVE, SIGN_IN, STATIC = "/livez", "/sign-in", "/static/"
_READS = ("GET", "HEAD")


def is_open(settings: Settings) -> bool:
    """True if sign-in is off and the console listens on loopback, so that local requests need no token."""
    is_local = is_loopback_host(settings.console_host) or settings.console_host == "::1"
    return settings.console_sign_in == "off" and is_local


def access_text(settings: Settings) -> str:
    """Who may use the console, for the start message."""
    return {
        "off": "open without a token to every user of this machine, because it listens on loopback and sign-in is off"
        if is_open(settings)
        else "requires the admin token or an API token",
        "users": "requires the password of a local user, or an API token",
        "proxy": "requires a name from a trusted proxy, or an API token",
        "oidc": "requires sign-in with OpenID Connect, or an API token",
    }[settings.console_sign_in]


def check_access(settings: Settings) -> None:
    """Raises SettingError if the settings of access are incomplete, or nobody would need to sign in off loopback."""
    if settings.console_sign_in == "off" and not is_open(settings) and not settings.admin_token:
        raise SettingError(
            f"PMMDS_CONSOLE_HOST={settings.console_host} is not a loopback address, sign-in is off, "
            "and there is no admin token.",
            next_step="Set PMMDS_CONSOLE_SIGN_IN or PMMDS_ADMIN_TOKEN, or use 127.0.0.1.",
        )
    trusted, _ = trusted_networks(settings.console_trusted_proxies), role_map(settings.console_role_map)
    if settings.console_sign_in == "proxy" and not trusted:
        raise _missing("proxy", "PMMDS_CONSOLE_TRUSTED_PROXIES", "the addresses of the proxy")
    source = {"proxy": settings.console_proxy_role_header, "oidc": settings.console_oidc_role_claim}
    if settings.console_default_role == "none" and not source.get(settings.console_sign_in, "-"):
        raise _missing(settings.console_sign_in, "PMMDS_CONSOLE_DEFAULT_ROLE", "a role, or name the source of roles")
    if settings.console_sign_in == "oidc":
        for name in ("discovery_url", "client_id", "client_secret"):
            if not getattr(settings, f"console_oidc_{name}"):
                raise _missing("oidc", f"PMMDS_CONSOLE_OIDC_{name.upper()}", "what the provider gave you")
        _check_discovery_url(settings.console_oidc_discovery_url)


def _check_discovery_url(url: str) -> None:
    """Raises SettingError for plain HTTP to another machine, which could be changed on the way."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_loopback_host(parts.netloc):
        raise SettingError(
            f"PMMDS_CONSOLE_OIDC_DISCOVERY_URL={url} does not use HTTPS.", next_step="Use the provider's https:// URL."
        )


def _missing(method: str, variable: str, value: str) -> SettingError:
    return SettingError(f"PMMDS_CONSOLE_SIGN_IN={method} requires {variable}.", next_step=f"Set {variable} to {value}.")


class Access:
    """ASGI middleware that passes on allowed requests, with `actor` and `client` in their state."""

    def __init__(self, app: ASGIApp, actors: Actors, pending: AddressLimit) -> None:
        """
        Args:
            app: the application.
            actors: finds the actor of a request.
            pending: limits the requests of one client that are pending at the same time.
        """
        self._app, self._actors, self._pending = app, actors, pending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, client = Headers(scope=scope), scope["state"]["client"]
        try:
            with self._pending.place(client.address):
                if not _is_public(scope["path"]):
                    scope["state"]["actor"] = await self._actors.find(client, headers)
                await self._app(scope, receive, send)
        except ProblemError as error:
            scope["state"]["refusal"] = str(error)
            await _response(error, scope, headers)(scope, receive, send)


def _is_public(path: str) -> bool:
    return path in (ALIVE, SIGN_IN) or path.startswith((f"{SIGN_IN}/", STATIC))


def _response(error: ProblemError, scope: Scope, headers: Headers) -> Response:
    """The error, or for a browser that has to sign in, a redirect to the sign-in page."""
    path = scope["path"]
    if isinstance(error, SignInRequiredError) and scope["method"] in _READS and wants_page(headers, path):
        query = scope.get("query_string", b"").decode("latin-1")
        asked = f"{path}?{query}" if query else path
        return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': asked})}", 303, {"Cache-Control": "no-store"})
    return error_response(error, headers, path)
