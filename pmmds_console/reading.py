"""Runs reads of the stores in a bounded number of threads, with a timeout. Turns every exception into a problem.

Not here: what is read (api/, pages/), the responses (problems.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Lock
from types import TracebackType
from typing import TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from pmmds_console.problems import ProblemError, internal, invalid_request, unavailable
from pmmds_core.deployment import Deployment
from pmmds_core.errors import StoreError, UsageError
from pmmds_core.runtime.json_logs import get_logger, place_of

T = TypeVar("T")
REQUEST_SECONDS = 30.0
# Requests that wait for a thread; more are rejected at once.
MAX_WAITING = 64
MAX_THREADS = 8
log = get_logger("pmmds.console")


class StoreReads:
    """Reads of one deployment, which all requests share."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self._opening = Lock()
        self._limiter = CapacityLimiter(min(MAX_THREADS, deployment.settings.database_pool_size))

    async def run(self, read: Callable[[], T], *, needs_database: bool = True) -> T:
        """The result of `read`, which runs in a thread after the database has been opened.

        Raises:
            ProblemError: 503 if too many requests wait, or it takes too long.
        """
        if self._limiter.statistics().tasks_waiting >= MAX_WAITING:
            raise unavailable("Too many requests are waiting. Try again later.")

        def with_database() -> T:
            if needs_database:
                with self._opening:
                    _ = self.deployment.database
            return read()

        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await run_sync(with_database, abandon_on_cancel=True, limiter=self._limiter)
        except TimeoutError:
            raise unavailable(f"The response took longer than {REQUEST_SECONDS:g} seconds.") from None


class Boundary:
    """A `with` block that keeps an exception as `problem`; its text is logged only if it holds no rows' values."""

    def __init__(self) -> None:
        self.problem = internal()

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, raised: BaseException | None, trace: TracebackType | None) -> bool:
        if isinstance(raised, ProblemError):
            self.problem = raised
        elif isinstance(raised, UsageError):
            self.problem = invalid_request(raised.message)
        elif isinstance(raised, StoreError):
            log.warning("store_unavailable", problem=str(raised))
            self.problem = unavailable(
                "The database or the model registry is unavailable. The console's log shows the reason."
            )
        elif isinstance(raised, Exception):
            log.error("request_failed", error_type=type(raised).__name__, place=place_of(trace))
        return isinstance(raised, Exception)
