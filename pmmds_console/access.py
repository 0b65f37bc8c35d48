"""Who may call: requires the admin token, except on loopback.

A console that listens on loopback is open for requests to a loopback host name that no proxy forwarded. Every other
request needs the token. Not here: checks of Host and Origin (pmmds_core/runtime/web_guard.py).
"""

from __future__ import annotations

from getpass import getuser

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from pmmds_console.actor import Actor
from pmmds_console.problems import ProblemError, forbidden, response_of, unauthorized
from pmmds_core.config.settings import Settings
from pmmds_core.errors import SettingError
from pmmds_core.policies.roles import Role
from pmmds_core.runtime.web_requests import has_bearer_token, is_loopback_host

ALIVE = "/livez"
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


def is_open(settings: Settings) -> bool:
    """True if the console listens on loopback, so that local requests need no token."""
    return is_loopback_host(settings.console_host) or settings.console_host == "::1"


def check_access(settings: Settings) -> None:
    """Raises SettingError if the console is to listen on another address and there is no token."""
    if not is_open(settings) and not settings.admin_token:
        raise SettingError(
            f"PMMDS_CONSOLE_HOST={settings.console_host} is not a loopback address, and there is no admin token.",
            next_step="Set PMMDS_ADMIN_TOKEN, or use 127.0.0.1.",
        )


class Access:
    """ASGI middleware that passes on allowed requests."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._token = settings.admin_token
        self._is_open = is_open(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = self._problem(Headers(scope=scope)) if scope["type"] == "http" and scope["path"] != ALIVE else None
        if problem is None:
            scope.setdefault("state", {})["actor"] = Actor(getuser(), Role.APPROVER, "local")
            await self._app(scope, receive, send)
        else:
            await response_of(problem)(scope, receive, send)

    def _problem(self, headers: Headers) -> ProblemError | None:
        if self._is_open and is_loopback_host(headers.get("host", "")) and not any(n in headers for n in _FORWARDED):
            return None
        if not self._token:
            return forbidden("Without PMMDS_ADMIN_TOKEN the console accepts local requests only.")
        given = headers.getlist("authorization")
        if len(given) == 1 and has_bearer_token(given[0], self._token):
            return None
        return unauthorized("Send the header Authorization: Bearer PMMDS_ADMIN_TOKEN.")
