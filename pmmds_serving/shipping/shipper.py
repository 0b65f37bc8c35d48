"""The shipper: moves the spool into the prediction log and retries until it succeeds.

It runs in its own process (process.py). Not here: claiming segments (orphans.py), rejected rows
(delivery.py).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pmmds_core.errors import PmmdsError
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_serving.process.error_guard import ErrorGuard
from pmmds_serving.shipping.dead_letters import FOLDER, DeadLetters
from pmmds_serving.shipping.delivery import Delivery
from pmmds_serving.shipping.orphans import SegmentShipper
from pmmds_serving.spool.segment import SUFFIX

SHIP_SECONDS = 0.05
FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.1, 5.0
MAX_ATTEMPTS = 5

log = get_logger("pmmds.serving.shipper")
_random = random.SystemRandom()


@dataclass(frozen=True)
class ShipperState:
    """State of the shipper. `problem` is empty while rows are shipped.

    The counts begin at the process's start: rows logged, dead letters written, and repeated requests whose prediction
    equals the logged one (`n_same`) or differs (`n_other`).
    """

    problem: str = ""
    n_shipped: int = 0
    n_dead_letters: int = 0
    n_same: int = 0
    n_other: int = 0


class Shipper:
    """Ships released segments and orphans of one home."""

    def __init__(
        self,
        folder: Path,
        log_of: Callable[[], PredictionLog],
        feature_names: tuple[str, ...],
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self.dead_letters = DeadLetters(folder / FOLDER)
        self._folder = folder
        self._delivery = Delivery(log_of, self.dead_letters, feature_names, max_attempts)
        self._segments = SegmentShipper(folder, self._delivery, feature_names)
        self._ends_at = float("inf")
        self._problem = ""

    @property
    def state(self) -> ShipperState:
        d = self._delivery
        return ShipperState(self._problem, d.n_delivered, self.dead_letters.n_written, d.n_same, d.n_other)

    def ship(self) -> bool:
        """Ship all claimable segments; return False after an error."""
        with ErrorGuard() as shipping:
            self._segments.ship_all(self._is_late)
        if shipping.error is not None:
            self._fail(shipping.error, shipping.place)
            return False
        if self._problem:
            log.info("shipping_resumed")
            self._problem = ""
        return True

    def run(self, stop: threading.Event, after_each: Callable[[], None] = lambda: None) -> None:
        """Ship until `stop` is set; `after_each` is called after each pass, to publish the state."""
        n_failures = 0
        while not stop.is_set():
            shipped = False
            with ErrorGuard():  # ship() handles its own errors; this suppresses reporting errors
                shipped = self.ship()
                after_each()
            n_failures = 0 if shipped else n_failures + 1
            stop.wait(retry_seconds(n_failures) if n_failures else SHIP_SECONDS)

    def finish(self, deadline_seconds: float) -> None:
        """Ship segments of stopping workers until none is left or the deadline has passed."""
        self._ends_at = time.monotonic() + deadline_seconds
        with ErrorGuard():
            while self.ship() and self._is_any_left() and not self._is_late():
                time.sleep(SHIP_SECONDS)

    def _is_any_left(self) -> bool:
        return next(self._folder.glob(f"*{SUFFIX}"), None) is not None

    def _is_late(self) -> bool:
        return time.monotonic() >= self._ends_at

    def _fail(self, error: Exception, place: str) -> None:
        # The text of a library's error may contain row values, so only its type is reported.
        problem = (
            error.message if isinstance(error, PmmdsError) else f"Rows could not be shipped: {type(error).__name__}."
        )
        previous, self._problem = self._problem, problem
        if previous != problem:
            log.error("shipping_failed", problem=problem, error_type=type(error).__name__, place=place)


def retry_seconds(n_failures: int) -> float:
    """Seconds to wait after `n_failures` consecutive failures: exponential backoff with jitter."""
    longest = min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(n_failures - 1, 20))
    return longest * _random.uniform(0.75, 1.0)
