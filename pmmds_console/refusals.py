"""Audit events of refused requests: forged credentials, foreign Origins, missing form tokens, missing roles.

Not here: changes and their outcomes (pmmds_core/workflows/auditing.py), sign-ins (sign_in/routes.py).
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pmmds_console.actor import Actor
from pmmds_console.addresses import Network
from pmmds_console.problems import ProblemError
from pmmds_console.sign_in.clients import Client, client_of
from pmmds_console.sign_in.cookies import SESSION, Cookies
from pmmds_console.threads import StoreThreads
from pmmds_core.deployment import Deployment
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.stores.identity.audit import REFUSED, Origin
from pmmds_core.workflows.auditing import record

# Events per hour of each kind, so that a client cannot fill the table, nor use up the events of other kinds.
MAX_PER_HOUR = 600
_HOUR_SECONDS = 3600
# The kinds: rejected by the web guard for the Host or Origin, without valid credentials, and by a known actor.
_GUARD, _ANONYMOUS, _KNOWN = "guard", "anonymous", "known"
_GUARD_DETAIL = "The request is not allowed for its Host or Origin."
log = get_logger("pmmds.console")


@dataclass(frozen=True)
class _Refusal:
    """A refused request. `kind`: its budget; the other fields are stored."""

    kind: str
    origin: Origin
    action: str
    target: str
    detail: str


class Refusals:
    """The outermost ASGI middleware. It puts the client into each request's state and records refused requests."""

    def __init__(self, app: ASGIApp, threads: StoreThreads, cookies: Cookies, trusted: tuple[Network, ...]) -> None:
        self._app, self._threads, self._cookies, self._trusted = app, threads, cookies, trusted
        self._recorded = {kind: deque[float](maxlen=MAX_PER_HOUR) for kind in (_GUARD, _ANONYMOUS, _KNOWN)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["client"] = client_of(scope, self._trusted)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_refusal(message["status"], scope):
                await self._record(_refusal_of(scope))
            await send(message)

        await self._app(scope, receive, watched)

    def _is_refusal(self, status: int, scope: Scope) -> bool:
        """True for a change or a sign-in that was refused, and for a read with credentials that are not valid."""
        state, headers = scope["state"], Headers(scope=scope)
        if status not in (303, 401, 403, 429) or state.get("is_recorded"):
            return False
        is_explained = "refusal" in state
        has_session = bool(self._cookies.get(headers, state["client"], SESSION))
        gave_credentials = "authorization" in headers or has_session
        if status == 303:
            return gave_credentials and is_explained
        is_attempt = scope["method"] == "POST" or "sign_in" in state
        return is_attempt or gave_credentials or (status == 403 and is_explained)

    def _has_room(self, kind: str) -> bool:
        now, recorded = time.monotonic(), self._recorded[kind]
        if len(recorded) == MAX_PER_HOUR and now - recorded[0] < _HOUR_SECONDS:
            return False
        recorded.append(now)
        return True

    async def _record(self, refusal: _Refusal) -> None:
        """Store the refusal. Log it instead if there were too many of its kind, or if the store fails."""
        if not self._has_room(refusal.kind):
            _log_unrecorded(refusal, f"more than {MAX_PER_HOUR} in an hour")
            return

        def add(deployment: Deployment) -> None:
            record(deployment, refusal.origin, refusal.action, refusal.target, REFUSED, refusal.detail)

        try:
            await self._threads.run(add)
        except ProblemError as error:
            _log_unrecorded(refusal, str(error))


def _refusal_of(scope: Scope) -> _Refusal:
    state = scope["state"]
    client: Client = state["client"]
    actor: Actor | None = state.get("actor")
    name, actor_method = (actor.name, actor.method) if actor else ("", "")
    method, action, target = state.get("sign_in", (actor_method, scope["method"], scope["path"]))
    kind = _KNOWN if actor else _ANONYMOUS if "refusal" in state else _GUARD
    origin = Origin(name, method, client.address)
    return _Refusal(kind, origin, action, target, state.get("refusal", _GUARD_DETAIL))


def _log_unrecorded(refusal: _Refusal, reason: str) -> None:
    log.warning(
        "refusal_not_recorded",
        reason=reason,
        actor=refusal.origin.actor,
        method=refusal.origin.method,
        address=refusal.origin.address,
        action=refusal.action,
        target=refusal.target[:256],
        detail=refusal.detail,
    )
