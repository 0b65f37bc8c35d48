"""The console's cookies and form tokens.

Every cookie is HttpOnly and SameSite=Lax or stricter. For requests over HTTPS it is Secure, and its name has the prefix
`__Host-`: browsers accept such a cookie only from this host over HTTPS, without a Domain, with Path=/. Not here: stored
sessions (pmmds_core/stores/identity/sessions.py).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response

from pmmds_console.sign_in.clients import Client
from pmmds_core.config.settings import Settings
from pmmds_core.stores.identity.secret_ids import new_secret

SESSION = "pmmds_session"
# To prevent forged sign-ins, the page's hidden field must have the same value as this cookie.
SIGN_IN_FORM = "pmmds_sign_in_form"
# The state of one sign-in with OpenID Connect, signed.
SIGN_IN_STATE = "pmmds_sign_in"
# The sentence that the next page shows (actions/notices.py).
NOTICE = "pmmds_notice"
FORM_FIELD = "form_token"
FORM_HEADER = "X-Form-Token"


def name_of(name: str, *, is_secure: bool) -> str:
    """The name of a cookie that is Secure or not."""
    return f"__Host-{name}" if is_secure else name


class Cookies:
    """Reads, sets and deletes cookies with the name and the attributes that settings and request require."""

    def __init__(self, settings: Settings) -> None:
        self._always_secure = settings.console_cookie_secure == "on"

    def is_secure(self, client: Client) -> bool:
        """True if the cookies of this client get the attribute Secure."""
        return self._always_secure or client.is_https

    def get(self, headers: Headers, client: Client, name: str) -> str:
        """The value of a cookie; empty if there is none.

        If this client's cookies are Secure, a cookie without the prefix is ignored: another host of the same domain, or
        anyone on the way of a request over HTTP, could have set it.
        """
        found = cookie_parser("; ".join(headers.getlist("cookie")))
        return found.get(name_of(name, is_secure=self.is_secure(client)), "")

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
        full_name = name_of(name, is_secure=secure)
        response.set_cookie(full_name, value, max_age=seconds, secure=secure, httponly=True, samesite=same_site)

    def delete(self, response: Response, client: Client, name: str) -> None:
        """Delete a cookie."""
        secure = self.is_secure(client)
        response.delete_cookie(name_of(name, is_secure=secure), secure=secure, httponly=True, samesite="lax")


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
