"""The shipper: moves the spool into the prediction log, again and again until the database has it.

It runs in a process of its own (process.py). Keep out: the files (spool/spool.py, spool/segment.py,
orphans.py), and which rows are refused for good (delivery.py).
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
from pmmds_serving.shipping.orphans import Adoption
from pmmds_serving.spool.segment import SUFFIX

SHIP_SECONDS = 0.05
FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.1, 5.0
MAX_ATTEMPTS = 5

log = get_logger("pmmds.serving.shipper")
_random = random.SystemRandom()


@dataclass(frozen=True)
class ShipperState:
    """What the shipper last saw. `problem` is empty while rows are taken.

    The counts are of this process: rows logged, dead letters written, and repeated requests whose answer was the logged
    one (`n_same`) or another (`n_other`).
    """

    problem: str = ""
    n_shipped: int = 0
    n_dead_letters: int = 0
    n_same: int = 0
    n_other: int = 0


class Shipper:
    """Moves what the workers of one home have released, and what workers that died left."""

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
        self._adoption = Adoption(folder, self._delivery, feature_names)
        self._ends_at = float("inf")
        self._problem = ""

    @property
    def state(self) -> ShipperState:
        d = self._delivery
        return ShipperState(self._problem, d.n_delivered, self.dead_letters.n_written, d.n_same, d.n_other)

    def ship(self) -> bool:
        """Move everything that is released now; False when not all of it could be moved."""
        with ErrorGuard() as shipping:
            self._adoption.ship_abandoned(self._is_late)
        if shipping.error is not None:
            self._fail(shipping.error, shipping.place)
            return False
        if self._problem:
            log.info("shipping_resumed")
            self._problem = ""
        return True

    def run(self, stop: threading.Event, after_each: Callable[[], None] = lambda: None) -> None:
        """Ship until `stop` is set; `after_each` is called after it, for whoever publishes the state."""
        n_failures = 0
        while not stop.is_set():
            shipped = False
            with ErrorGuard():  # ship() survives by itself; this is for what tells about it, such as a log that is shut
                shipped = self.ship()
                after_each()
            n_failures = 0 if shipped else n_failures + 1
            stop.wait(retry_seconds(n_failures) if n_failures else SHIP_SECONDS)

    def finish(self, deadline_seconds: float) -> None:
        """Ship what workers that end still release, until none is left or the deadline is over; the rest stays."""
        self._ends_at = time.monotonic() + deadline_seconds
        with ErrorGuard():
            while self.ship() and self._is_any_left() and not self._is_late():
                time.sleep(SHIP_SECONDS)

    def _is_any_left(self) -> bool:
        return next(self._folder.glob(f"*{SUFFIX}"), None) is not None

    def _is_late(self) -> bool:
        return time.monotonic() >= self._ends_at

    def _fail(self, error: Exception, place: str) -> None:
        # What a library raises may repeat the rows that it failed on: its name has to do.
        problem = (
            error.message if isinstance(error, PmmdsError) else f"Rows could not be moved: {type(error).__name__}."
        )
        was, self._problem = self._problem, problem
        if was != problem:
            log.error("shipping_failed", problem=problem, error_type=type(error).__name__, place=place)


def retry_seconds(n_failures: int) -> float:
    """How long to wait after so many failures in a row: longer each time, and not all shippers at the same instant."""
    longest = min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(n_failures - 1, 20))
    return longest * _random.uniform(0.75, 1.0)
