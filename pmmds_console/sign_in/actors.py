"""The actor of a request: from a bearer token, a session, a trusted proxy's header, or local access with sign-in off.

Not here: signing in (passwords.py, oidc.py), the middleware that calls this (access.py).
"""

from __future__ import annotations

import os
import pwd
from http import HTTPStatus

from starlette.datastructures import Headers

from pmmds_console.actor import Actor
from pmmds_console.problems import CHALLENGE, ProblemError, forbidden, unauthorized
from pmmds_console.sign_in.clients import Client
from pmmds_console.sign_in.cookies import SESSION, Cookies, FormTokens
from pmmds_console.sign_in.role_map import role_of
from pmmds_console.threads import StoreThreads
from pmmds_core.config.settings import Settings
from pmmds_core.config.values import comma_list
from pmmds_core.errors import UsageError
from pmmds_core.policies.people import ADMIN, checked_name
from pmmds_core.policies.roles import Role
from pmmds_core.runtime.web_requests import has_bearer_token, is_loopback_host
from pmmds_core.stores.identity.sessions import OIDC, PASSWORD
from pmmds_core.stores.identity.tokens import PREFIX

LOCAL, PROXY, TOKEN, ADMIN_TOKEN = "local", "proxy", "token", "admin token"
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


class SignInRequiredError(ProblemError):
    """401: nobody is signed in. Browsers are sent to the sign-in page."""

    def __init__(self, detail: str) -> None:
        super().__init__(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, headers=CHALLENGE)


# The method of a session that is valid with each setting of PMMDS_CONSOLE_SIGN_IN.
_SESSION_METHODS = {"users": PASSWORD, "oidc": OIDC}


class Actors:
    """Finds the actor of a request."""

    def __init__(self, settings: Settings, threads: StoreThreads, cookies: Cookies, *, is_open: bool) -> None:
        """
        Args:
            settings: of the deployment.
            threads: for calls of the stores.
            cookies: of the console.
            is_open: True if local requests need no token while sign-in is off.
        """
        self._settings, self._threads, self._cookies, self._is_open = settings, threads, cookies, is_open
        self._form_tokens = FormTokens()

    async def find(self, client: Client, headers: Headers) -> Actor:
        """The actor of a request.

        Raises:
            ProblemError: 401 without valid credentials, 403 if they do not suffice, 503 if the store is unavailable.
        """
        given = headers.getlist("authorization")
        if given and not self._is_for_proxy(client, given):
            return await self._bearer(given)
        if self._settings.console_sign_in == "off":
            return self._local(headers)
        if self._settings.console_sign_in == "proxy":
            return await self._proxied(client, headers)
        return await self._signed_in(self._cookies.get(headers, client, SESSION))

    def _is_for_proxy(self, client: Client, given: list[str]) -> bool:
        """True if a trusted proxy that signs people in forwarded their own credentials, such as Basic."""
        is_bearer = any(text.strip().lower().startswith("bearer") for text in given)
        return self._settings.console_sign_in == "proxy" and client.is_proxied and not is_bearer

    async def _bearer(self, given: list[str]) -> Actor:
        if len(given) != 1:
            raise unauthorized("Send one Authorization header.")
        if self._settings.admin_token and has_bearer_token(given[0], self._settings.admin_token):
            return Actor(ADMIN, Role.APPROVER, ADMIN_TOKEN)
        scheme, _, secret = given[0].strip().partition(" ")
        if scheme.lower() != "bearer" or not secret.strip().startswith(PREFIX):
            raise unauthorized("The bearer token is neither an API token nor the admin token.")
        found = await self._threads.run(lambda d: d.tokens.check(secret.strip()))
        if found is None or found.refusal:
            raise unauthorized("There is no such API token." if found is None else found.refusal)
        return Actor(found.owner, found.role, TOKEN)

    def _local(self, headers: Headers) -> Actor:
        is_local = is_loopback_host(headers.get("host", "")) and not any(name in headers for name in _FORWARDED)
        if self._is_open and is_local:
            name = local_user()
            return Actor(name, Role.APPROVER, LOCAL, self._form_tokens.of(name))
        if not self._settings.admin_token:
            raise forbidden("Without a sign-in method or PMMDS_ADMIN_TOKEN the console accepts local requests only.")
        raise unauthorized("Send the header Authorization: Bearer with an API token or PMMDS_ADMIN_TOKEN.")

    async def _signed_in(self, secret: str) -> Actor:
        session = await self._threads.run(lambda d: d.sessions.find(secret)) if secret else None
        if session is None or session.method != _SESSION_METHODS.get(self._settings.console_sign_in):
            detail = "The session is not valid or has ended. Sign in again." if secret else "Sign in first."
            raise SignInRequiredError(detail)
        return Actor(session.name, session.role, session.method, session.form_token)

    async def _proxied(self, client: Client, headers: Headers) -> Actor:
        user_header, role_header = self._settings.console_proxy_user_header, self._settings.console_proxy_role_header
        if not client.is_proxied:
            raise forbidden("The request does not come from an address in PMMDS_CONSOLE_TRUSTED_PROXIES.")
        name = _name_in(headers.getlist(user_header), user_header)
        values = comma_list(",".join(headers.getlist(role_header))) if role_header else ()
        role = role_of(values, self._settings)
        if role is None:
            raise forbidden(f"{name} has no role in this console. An administrator sets PMMDS_CONSOLE_ROLE_MAP.")
        await self.check_enabled(name)
        return Actor(name, role, PROXY, self._form_tokens.of(name))

    async def check_enabled(self, name: str) -> None:
        """Raises ProblemError 403 if PMMDS knows this user as disabled."""
        user = await self._threads.run(lambda d: d.users.find(name))
        if user is not None and not user.is_enabled:
            raise forbidden(f"The user {name} is disabled.")


def local_user() -> str:
    """The operating-system user of the console's process."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        return f"uid {os.getuid()}"


def _name_in(values: list[str], header: str) -> str:
    if len(values) != 1:
        raise unauthorized(f"The proxy did not send the header {header} once.")
    try:
        return checked_name(values[0].encode("latin-1").decode("utf-8", "replace"))
    except UsageError:
        raise unauthorized(f"The header {header} contains no valid name.") from None
