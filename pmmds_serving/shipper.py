"""The shipper: a thread that moves the spool into the prediction log, again and again until the database has it.

Keep out: the file's format (spool.py) and the table (stores/prediction_log.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from pmmds_core.errors import PmmdsError
from pmmds_core.stores.prediction_log import PredictionLog, PredictionRecord
from pmmds_core.telemetry import get_logger
from pmmds_serving.spool import Spool, SpoolFile

BATCH_RECORDS = 1000
SHIP_SECONDS = 0.1
ADOPT_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 5.0
REFUSED_SUFFIX, DAMAGED_SUFFIX = ".other-contract", ".damaged"

# The thread has to outlive whatever a database, a driver or a disk raises.
_TROUBLE = (PmmdsError, SQLAlchemyError, OSError, ArithmeticError, ValueError)

log = get_logger("pmmds.serving.shipper")


@dataclass(frozen=True)
class ShipperStatus:
    """What the shipper last saw. `problem` is empty while the database takes rows."""

    problem: str = ""
    n_shipped: int = 0


class Shipper:
    """Moves one worker's records. `log_of` opens the prediction log; it is asked again after every failure."""

    def __init__(self, spool: Spool, log_of: Callable[[], PredictionLog], feature_names: tuple[str, ...]) -> None:
        self._spool = spool
        self._log_of = log_of
        self._feature_names = feature_names
        self._log: PredictionLog | None = None
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)
        self._adopted_at = 0.0
        self.status = ShipperStatus()

    def start(self) -> None:
        self._thread.start()

    def stop(self, deadline_seconds: float) -> None:
        """Ship what is left while the deadline lasts; the rest stays in the spool and is adopted later."""
        self._stop.set()
        self._thread.join()
        end = time.monotonic() + deadline_seconds
        while self._spool.backlog_bytes and time.monotonic() < end and self.ship():
            pass
        self._spool.close()

    def ship(self) -> bool:
        """Move everything that is spooled now; False when the database did not take it. Any thread may call."""
        with self._turn:
            try:
                self._adopt_when_due()
                while self._spool.backlog_bytes:
                    batch = self._spool.next_batch(BATCH_RECORDS)
                    self._append(batch.records)
                    self._spool.mark_shipped(batch)
            except _TROUBLE as error:
                self._fail(error)
                return False
            if self.status.problem:
                log.info("shipping_resumed")
                self.status = replace(self.status, problem="")
            return True

    def _run(self) -> None:
        pause = SHIP_SECONDS
        while not self._stop.wait(pause):
            pause = SHIP_SECONDS if self.ship() else min(LONGEST_RETRY_SECONDS, max(0.5, 2 * pause))

    def _append(self, records: list[PredictionRecord]) -> None:
        if self._log is None:
            self._log = self._log_of()
        self._log.append(records)
        self.status = replace(self.status, n_shipped=self.status.n_shipped + len(records))

    def _fail(self, error: Exception) -> None:
        self._log = None
        # What a library raises may repeat the rows that it failed on: its name has to do.
        problem = (
            error.message if isinstance(error, PmmdsError) else f"Rows could not be moved: {type(error).__name__}."
        )
        if self.status.problem != problem:
            log.error("shipping_failed", problem=problem, backlog_bytes=self._spool.backlog_bytes)
        self.status = replace(self.status, problem=problem)

    def _adopt_when_due(self) -> None:
        if time.monotonic() - self._adopted_at < ADOPT_SECONDS:
            return
        for file in self._spool.abandoned():
            self._ship_abandoned(file)
        self._adopted_at = time.monotonic()

    def _ship_abandoned(self, file: SpoolFile) -> None:
        found = file.header()
        if found is None:
            self._let_go(file, 0)
            return
        header, position = found
        if not set(header.feature_names) <= set(self._feature_names):
            self._set_aside(file, REFUSED_SUFFIX, "spool_of_another_contract")
            return
        try:
            while records := (batch := file.read(position, BATCH_RECORDS)).records:
                self._append([self._in_present_order(r, header.feature_names) for r in records])
                position = batch.end
        except Exception:
            file.close()
            raise
        log.info("spool_adopted", file=file.path.name)
        self._let_go(file, position)

    def _let_go(self, file: SpoolFile, end: int) -> None:
        """Delete a file that was read to its end; keep one whose rest is cut off or damaged."""
        if end == file.size:
            file.delete()
        else:
            self._set_aside(file, DAMAGED_SUFFIX, "spool_damaged", damaged_at_byte=end)

    def _in_present_order(self, record: PredictionRecord, names: tuple[str, ...]) -> PredictionRecord:
        """The record as the present contract has it: features that it gained are missing."""
        if names == self._feature_names:
            return record
        values = dict(zip(names, record.features, strict=True))
        return msgspec.structs.replace(record, features=tuple(values.get(n) for n in self._feature_names))

    def _set_aside(self, file: SpoolFile, suffix: str, event: str, **details: int) -> None:
        """Keep rows that cannot be moved, under a name that is not read again: a person has to decide about them."""
        name = file.path.name + suffix
        file.path.rename(file.path.with_name(name))
        file.close()
        log.error(event, file=name, **details)
