"""The shipper: a thread that moves the spool into the prediction log, again and again until the database has it.

Keep out: the files (spool.py, segment.py), which rows are refused for good (delivery.py), dead workers' files
(adoption.py).
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pmmds_core.errors import PmmdsError
from pmmds_core.stores.prediction_log import PredictionLog
from pmmds_core.telemetry import get_logger
from pmmds_serving.adoption import Adoption
from pmmds_serving.dead_letters import FOLDER, DeadLetters
from pmmds_serving.delivery import Delivery
from pmmds_serving.spool import Spool
from pmmds_serving.survival import Surviving

BATCH_RECORDS = 1000
SHIP_SECONDS = 0.1
ADOPT_SECONDS = 5.0
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.1, 5.0
MAX_ATTEMPTS = 5

log = get_logger("pmmds.serving.shipper")
_random = random.SystemRandom()


@dataclass(frozen=True)
class ShipperStatus:
    """What the shipper last saw. `problem` is empty while rows are taken; `n_dead_letters` lie in the home."""

    problem: str = ""
    n_shipped: int = 0
    n_dead_letters: int = 0


class Shipper:
    """Moves one worker's records, and those of workers that died."""

    def __init__(
        self,
        spool: Spool,
        log_of: Callable[[], PredictionLog],
        feature_names: tuple[str, ...],
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self.dead_letters = DeadLetters(spool.folder / FOLDER)
        self._spool = spool
        self._feature_names = feature_names
        self._delivery = Delivery(log_of, self.dead_letters, feature_names, max_attempts)
        self._adoption = Adoption(spool, self._delivery, feature_names, BATCH_RECORDS)
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)
        self._is_started = False
        self._adopted_at = -math.inf
        self._ends_at = math.inf
        self._problem = ""

    @property
    def status(self) -> ShipperStatus:
        problem = self._problem
        if self._is_started and not self._stop.is_set() and not self._thread.is_alive():
            problem = "The thread that moves rows to the database has ended. Restart the service."
        return ShipperStatus(problem, self._delivery.n_delivered, self.dead_letters.n_kept())

    def start(self) -> None:
        self._is_started = True
        self._thread.start()

    def stop(self, deadline_seconds: float) -> None:
        """Ship what is left while the deadline lasts; the rest stays in the spool, synced, and is adopted later."""
        self._ends_at = time.monotonic() + deadline_seconds
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(deadline_seconds)
        else:
            self._finish()
        if self._thread.is_alive():  # a database that hangs: the files stay locked until the process is gone
            log.error("shipping_unfinished", backlog_bytes=self._spool.backlog_bytes)
            with Surviving() as syncing:
                self._spool.sync()
            syncing.tell("spool_sync_failed")

    def ship(self) -> bool:
        """Move everything that is spooled now; False when not all of it could be moved. Any thread may call."""
        with self._turn:
            with Surviving() as shipping:
                self._ship_own()
                self._adopt_when_due()
            if shipping.error is not None:
                self._fail(shipping.error, shipping.place)
                return False
            if self._problem:
                log.info("shipping_resumed")
                self._problem = ""
            return True

    def _run(self) -> None:
        n_failures = 0
        while not self._stop.wait(retry_seconds(n_failures) if n_failures else SHIP_SECONDS):
            shipped = False
            with Surviving():  # ship() survives by itself; this is for what tells about it, such as a log that is shut
                shipped = self.ship()
            n_failures = 0 if shipped else n_failures + 1
        self._finish()

    def _finish(self) -> None:
        with Surviving():
            while self._spool.backlog_bytes and not self._is_late() and self.ship():
                pass
        with Surviving() as closing:
            self._spool.close()
        closing.tell("spool_not_closed")

    def _is_late(self) -> bool:
        return time.monotonic() >= self._ends_at

    def _ship_own(self) -> None:
        while not self._is_late() and (batch := self._spool.next_batch(BATCH_RECORDS)) is not None:
            self._delivery.deliver(batch, self._feature_names)
            self._spool.mark_shipped(batch)

    def _adopt_when_due(self) -> None:
        if time.monotonic() - self._adopted_at < ADOPT_SECONDS:
            return
        self._adoption.ship_abandoned(self._is_late)
        self._adopted_at = time.monotonic()

    def _fail(self, error: Exception, place: str) -> None:
        # What a library raises may repeat the rows that it failed on: its name has to do.
        problem = (
            error.message if isinstance(error, PmmdsError) else f"Rows could not be moved: {type(error).__name__}."
        )
        was, self._problem = self._problem, problem
        if was != problem:
            kind = type(error).__name__
            log.error(
                "shipping_failed",
                problem=problem,
                error_type=kind,
                place=place,
                backlog_bytes=self._spool.backlog_bytes,
            )


def retry_seconds(n_failures: int) -> float:
    """How long to wait after so many failures in a row: longer each time, and not all workers at the same instant."""
    longest = min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(n_failures - 1, 20))
    return longest * _random.uniform(0.75, 1.0)
