"""Sign-in with OpenID Connect: the authorization code flow with state, nonce and PKCE, by Authlib.

Not here: the paths (routes.py), sessions (pmmds_core/stores/identity/sessions.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from joserfc.errors import JoseError
from starlette.requests import Request
from starlette.responses import Response

from pmmds_console.problems import ProblemError, forbidden, unauthorized, unavailable
from pmmds_console.sign_in.role_map import role_of
from pmmds_core.config.settings import Settings
from pmmds_core.errors import UsageError
from pmmds_core.policies.people import checked_name
from pmmds_core.policies.roles import Role
from pmmds_core.runtime.json_logs import get_logger

TIMEOUT_SECONDS = 10
# A provider that is unavailable, or whose documents are malformed. Authlib does not check their types.
_UNUSABLE = (httpx2.HTTPError, RuntimeError, ValueError, LookupError, TypeError, AttributeError)
log = get_logger("pmmds.console")


class OidcClient:
    """The client of one OpenID Connect provider. Its discovery document is read at the first sign-in."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = OAuth().register(
            "pmmds",
            client_id=settings.console_oidc_client_id,
            client_secret=settings.console_oidc_client_secret,
            server_metadata_url=settings.console_oidc_discovery_url,
            client_kwargs={
                "scope": settings.console_oidc_scopes,
                "code_challenge_method": "S256",
                "timeout": TIMEOUT_SECONDS,
            },
        )

    async def start(self, request: Request, callback: str) -> Response:
        """The redirect to the provider. Raises ProblemError 503 if the provider does not answer."""
        try:
            response: Response = await self._client.authorize_redirect(request, callback)
        except (OAuthError, *_UNUSABLE) as error:
            raise _unavailable(error) from None
        return response

    async def finish(self, request: Request) -> tuple[str, Role]:
        """Name and role of the person whom the provider sent back.

        Raises:
            ProblemError: 401 if state, code or ID token are not valid, 403 if the person has no role, 503 if the
                provider does not answer.
        """
        try:
            metadata = await self._client.load_server_metadata()
            expected = {"iss": metadata["issuer"], "aud": self._settings.console_oidc_client_id}
            options = {claim: {"essential": True, "values": [value]} for claim, value in expected.items()}
            token = await self._client.authorize_access_token(request, claims_options=options)
        except (OAuthError, JoseError) as error:
            log.warning("oidc_sign_in_failed", error_type=type(error).__name__, problem=str(error)[:200])
            raise unauthorized("The identity provider's answer is not valid for this browser. Sign in again.") from None
        except _UNUSABLE as error:
            raise _unavailable(error) from None
        claims: Mapping[str, Any] | None = token.get("userinfo")
        if not claims:
            raise unauthorized("The identity provider sent no ID token.")
        return self._person(claims)

    def _person(self, claims: Mapping[str, Any]) -> tuple[str, Role]:
        claim = self._settings.console_oidc_name_claim
        value = claims.get(claim)
        try:
            name = checked_name(value if isinstance(value, str) else "")
        except UsageError:
            raise forbidden(f"The ID token's claim {claim} contains no valid name.") from None
        # Some providers send the claim as text; providers that verify every address omit it.
        if claim == "email" and claims.get("email_verified", True) not in (True, "true"):
            raise forbidden("The identity provider has not verified the email address.")
        role = role_of(_texts(claims.get(self._settings.console_oidc_role_claim)), self._settings)
        if role is None:
            raise forbidden(f"{name} has no role in this console. An administrator sets PMMDS_CONSOLE_ROLE_MAP.")
        return name, role


def _texts(value: object) -> list[str]:
    """The texts of a claim, which may be one text or a list."""
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _unavailable(error: Exception) -> ProblemError:
    log.warning("oidc_provider_unavailable", error_type=type(error).__name__, problem=str(error)[:200])
    return unavailable("The identity provider does not answer as expected. The console's log has the reason.")
