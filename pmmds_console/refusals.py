"""Audit events of refused requests: forged credentials, foreign Origins, missing form tokens, missing roles.

Not here: changes and their outcomes (pmmds_core/workflows/auditing.py), sign-ins (sign_in/routes.py).
"""

from __future__ import annotations

import time
from collections import deque

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pmmds_console.problems import ProblemError
from pmmds_console.sign_in.actors import session_cookie
from pmmds_console.sign_in.clients import Client, Network, client_of
from pmmds_console.threads import StoreThreads
from pmmds_core.deployment import Deployment
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.stores.identity.audit import REFUSED, Origin
from pmmds_core.workflows.auditing import record

# Events an hour for all clients together, so that a client cannot fill the table.
MAX_PER_HOUR = 600
_HOUR_SECONDS = 3600
log = get_logger("pmmds.console")


class Refusals:
    """The outermost ASGI middleware. It puts the client into each request's state and records refused requests."""

    def __init__(self, app: ASGIApp, threads: StoreThreads, trusted: tuple[Network, ...]) -> None:
        self._app, self._threads, self._trusted = app, threads, trusted
        self._recorded: deque[float] = deque(maxlen=MAX_PER_HOUR)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["client"] = client_of(scope, self._trusted)

        async def watched(message: Message) -> None:
            is_start = message["type"] == "http.response.start"
            if is_start and _is_refusal(message["status"], scope) and self._has_room():
                await self._record(scope)
            await send(message)

        await self._app(scope, receive, watched)

    def _has_room(self) -> bool:
        now = time.monotonic()
        if len(self._recorded) == MAX_PER_HOUR and now - self._recorded[0] < _HOUR_SECONDS:
            log.warning("refusal_not_recorded", reason=f"more than {MAX_PER_HOUR} in an hour")
            return False
        self._recorded.append(now)
        return True

    async def _record(self, scope: Scope) -> None:
        state = scope["state"]
        client: Client = state["client"]
        actor = state.get("actor")
        method, action, target = state.get("sign_in", (actor.method if actor else "", scope["method"], scope["path"]))
        origin = Origin(actor.name if actor else "", method, client.address)
        detail = state.get("refusal", "The request is not allowed for its Host or Origin.")

        def add(deployment: Deployment) -> None:
            record(deployment, origin, action, target, REFUSED, detail)

        try:
            await self._threads.run(add)
        except ProblemError as error:
            log.warning("refusal_not_recorded", target=target, problem=str(error))


def _is_refusal(status: int, scope: Scope) -> bool:
    """True for a change or a sign-in that was refused, and for a read with credentials that are not valid."""
    if status not in (303, 401, 403, 429) or scope["state"].get("is_recorded"):
        return False
    headers, is_explained = Headers(scope=scope), "refusal" in scope["state"]
    gave_credentials = "authorization" in headers or bool(session_cookie(headers))
    if status == 303:
        return gave_credentials and is_explained
    is_attempt = scope["method"] == "POST" or "sign_in" in scope["state"]
    return is_attempt or gave_credentials or (status == 403 and is_explained)
