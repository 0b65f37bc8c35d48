"""Calls of the stores from the event loop: in a bounded number of threads, with a timeout.

Not here: what is called (api/, pages/, actions/), error responses (problems.py).
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

REQUEST_SECONDS = 30.0
MAX_THREADS = 8
# Calls that wait for a thread, unless the caller sets another number; more are rejected at once.
MAX_WAITING = 64
T = TypeVar("T")
log = get_logger("pmmds.console")


class StoreThreads:
    """Runs functions of one deployment in threads."""

    def __init__(self, deployment: Deployment, n_threads: int, seconds: float, max_waiting: int = MAX_WAITING) -> None:
        """
        Args:
            deployment: its database is opened before the first call.
            n_threads: functions that run at once.
            seconds: maximum time of a call that reads.
            max_waiting: calls that wait for a thread; more are rejected at once.
        """
        self._deployment, self._seconds = deployment, seconds
        self._opening = Lock()
        self._limiter = CapacityLimiter(n_threads)
        # Calls that run or wait. anyio counts a waiting call only after the event loop's next iteration.
        self._n_calls, self._max_calls = 0, n_threads + max_waiting

    async def run(self, function: Callable[[Deployment], T], *, changes: bool = False) -> T:
        """The result of a function, which gets the deployment.

        Args:
            function: runs in a thread.
            changes: True: wait for its end, however long it takes, so that its result is known.

        Raises:
            ProblemError: 503 if too many calls wait, a call takes too long, or a store is unavailable; 422 if what is
                asked for is not possible; 500 for an unforeseen error, which is logged by type and place.
        """
        if self._n_calls >= self._max_calls:
            raise unavailable("Too many requests are waiting. Try again later.")
        self._n_calls += 1
        try:
            if changes:
                return await run_sync(self._call, function, limiter=self._limiter)
            async with asyncio.timeout(self._seconds):
                return await run_sync(self._call, function, limiter=self._limiter, abandon_on_cancel=True)
        except TimeoutError:
            raise unavailable(f"The response took longer than {self._seconds:g} seconds.") from None
        except UsageError as error:
            raise invalid_request(error.message) from None
        except StoreError as error:
            log.warning("store_unavailable", problem=str(error))
            raise store_unavailable() from None
        finally:
            self._n_calls -= 1

    def _call(self, function: Callable[[Deployment], T]) -> T:
        with _Logged():
            with self._opening:
                _ = self._deployment.database
            return function(self._deployment)


class _Logged:
    """A `with` block that logs an unforeseen error by type and place, and raises ProblemError 500 instead."""

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, raised: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(raised, Exception) and not isinstance(raised, ProblemError | StoreError | UsageError):
            log.error("request_failed", error_type=type(raised).__name__, place=place_of(trace))
            raise internal() from None


def store_unavailable() -> ProblemError:
    return unavailable("The database or the model registry is unavailable. The console's log shows the reason.")
