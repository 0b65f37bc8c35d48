"""The console's cookies and form tokens.

Every cookie is HttpOnly and SameSite=Lax or stricter, and Secure for requests over HTTPS. Not here: stored sessions
(pmmds_core/stores/identity/sessions.py).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

from starlette.responses import Response

from pmmds_console.sign_in.clients import Client
from pmmds_core.config.settings import Settings
from pmmds_core.stores.identity.secret_ids import new_secret

SESSION = "pmmds_session"
# To prevent forged sign-ins, the page's hidden field must have the same value as this cookie.
SIGN_IN_FORM = "pmmds_sign_in_form"
FORM_FIELD = "form_token"
FORM_HEADER = "X-Form-Token"


class Cookies:
    """Sets and deletes cookies with the attributes that settings and request require."""

    def __init__(self, settings: Settings) -> None:
        self._always_secure = settings.console_cookie_secure == "on"

    def is_secure(self, client: Client) -> bool:
        """True if the cookies of this client get the attribute Secure."""
        return self._always_secure or client.is_https

    def put(
        self,
        response: Response,
        client: Client,
        name: str,
        value: str,
        *,
        seconds: int | None = None,
        same_site: Literal["lax", "strict"] = "lax",
    ) -> None:
        """Set a cookie. `seconds`: its lifetime; None: until the browser closes."""
        secure = self.is_secure(client)
        response.set_cookie(name, value, max_age=seconds, secure=secure, httponly=True, samesite=same_site)

    def delete(self, response: Response, client: Client, name: str) -> None:
        """Delete a cookie."""
        response.delete_cookie(name, secure=self.is_secure(client), httponly=True, samesite="lax")


class FormTokens:
    """Form tokens of people without a session: with sign-in off, and behind a proxy that signs people in.

    A token is derived from the name and a random key of this process, so forms must be reloaded after a restart.
    """

    def __init__(self) -> None:
        self._key = new_secret().encode()

    def of(self, name: str) -> str:
        """The token of a person's forms."""
        return hmac.new(self._key, name.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def is_form_token(given: str, expected: str) -> bool:
    """True if a form came back with its token."""
    return bool(expected) and hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())
