"""HTTP around a route: threads, a timeout, ETags, and every error as a problem.

Not here: access (access.py), what a route reads (lists.py, documents.py).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from threading import Lock
from types import TracebackType

import msgspec
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response

from pmmds.resources import Page
from pmmds_console.api.parameters import parse
from pmmds_console.api.route import Asked, Route
from pmmds_console.problems import HEADERS, ProblemError, internal, response_of, unavailable
from pmmds_core.deployment import Deployment
from pmmds_core.errors import StoreError
from pmmds_core.runtime.json_logs import get_logger, place_of

REQUEST_SECONDS = 30.0
# Requests that wait for a thread; more are rejected at once.
MAX_WAITING = 64
MAX_THREADS = 8
log = get_logger("pmmds.console")
_TAG = re.compile(r'(?:W/)?("[^"]*")')


class Endpoints:
    """Makes Starlette endpoints of routes. All share one deployment and a bounded number of threads."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._opening = Lock()
        n_threads = min(MAX_THREADS, deployment.settings.database_pool_size)
        self._limiter = CapacityLimiter(n_threads)

    def endpoint(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        """The endpoint of a route."""

        async def answer(request: Request) -> Response:
            boundary = _Boundary()
            with boundary:
                asked = self._asked(request, route)
                body, following = await self._read(route, asked)
                return _response(body, following, request)
            return response_of(boundary.problem)

        return answer

    def _asked(self, request: Request, route: Route) -> Asked:
        given: dict[str, list[str]] = {}
        for name, text in request.query_params.multi_items():
            given.setdefault(name, []).append(text)
        texts = {**given, **{name: [str(text)] for name, text in request.path_params.items()}}
        values = parse(route.parameters, texts)
        path = route.path.format(**{name: msgspec.json.encode(str(v)) for name, v in request.path_params.items()})
        return Asked(self._deployment, path, values, {name: items[0] for name, items in given.items()})

    async def _read(self, route: Route, asked: Asked) -> tuple[bytes, str | None]:
        """The encoded response, and the reference of the next page.

        Raises:
            ProblemError: 503 if too many requests wait, or it takes too long.
        """
        if self._limiter.statistics().tasks_waiting >= MAX_WAITING:
            raise unavailable("Too many requests are waiting. Try again later.")

        def read() -> tuple[bytes, str | None]:
            if route.needs_database:
                with self._opening:
                    _ = asked.deployment.database
            found = route.read(asked)
            return msgspec.json.encode(found), found.next if isinstance(found, Page) else None

        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await run_sync(read, abandon_on_cancel=True, limiter=self._limiter)
        except TimeoutError:
            raise unavailable(f"The response took longer than {REQUEST_SECONDS:g} seconds.") from None


class _Boundary:
    """A `with` block that keeps an exception as `problem`; its text is logged only if it holds no rows' values."""

    def __init__(self) -> None:
        self.problem = internal()

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, raised: BaseException | None, trace: TracebackType | None) -> bool:
        if isinstance(raised, ProblemError):
            self.problem = raised
        elif isinstance(raised, StoreError):
            log.warning("store_unavailable", problem=str(raised))
            self.problem = unavailable("The database or the model registry is unavailable. The console's log has why.")
        elif isinstance(raised, Exception):
            log.error("request_failed", error_type=type(raised).__name__, place=place_of(trace))
        return isinstance(raised, Exception)


def _response(body: bytes, following: str | None, request: Request) -> Response:
    """200, or 304 if the client has this body already. The header Link names the next page (RFC 8288)."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**HEADERS, "ETag": tag, **({"Link": f'<{following}>; rel="next"'} if following else {})}
    if _matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def _matches(header: str, tag: str) -> bool:
    """If-None-Match uses the weak comparison (RFC 9110, 13.1.2)."""
    return header.strip() == "*" or tag in _TAG.findall(header)
