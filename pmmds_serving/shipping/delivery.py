"""Delivery: a batch of the spool goes into the prediction log; rows that it refuses for good become dead letters.

Keep out: where the batches come from (shipper.py, orphans.py), and the files of dead letters (dead_letters.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.stores.predictions.log import Appended, PredictionLog, PredictionRecord
from pmmds_serving.shipping.dead_letters import DeadLetter, DeadLetters, dead_frame, dead_record, taken_record
from pmmds_serving.spool.segment import Batch

events = get_logger("pmmds.serving.delivery")

# What conversion and drivers raise over a value. Python's own have no common ancestor below Exception.
_PERHAPS_A_ROW = (SQLAlchemyError, ValueError, TypeError, ArithmeticError, LookupError)


def is_about_a_row(error: Exception) -> bool:
    """Whether a reachable database, or the way to it, refused a value; a server that is away refuses none.

    Anything else (a missing column, no rights, a mistake in the program) would refuse every row: those wait.
    """
    if isinstance(error, DBAPIError):
        return isinstance(error, IntegrityError | DataError) and not error.connection_invalidated
    return isinstance(error, StatementError | ValueError | TypeError | ArithmeticError | LookupError)


class Delivery:
    """Moves batches of one worker. `log_of` opens the prediction log; it is asked again after every failure.

    `n_delivered`: rows that were new. `n_same`, `n_other`: repeated requests, see `prediction_log.Appended`.
    """

    def __init__(
        self,
        log_of: Callable[[], PredictionLog],
        dead_letters: DeadLetters,
        feature_names: tuple[str, ...],
        max_attempts: int,
    ) -> None:
        self.n_delivered = 0
        self.n_same = self.n_other = 0
        self._log_of = log_of
        self._dead_letters = dead_letters
        self._feature_names = feature_names
        self._max_attempts = max_attempts
        self._log: PredictionLog | None = None
        self._refused: tuple[str, int] = ("", 0)  # the place of the batch that was refused last, and how often

    def deliver(self, batch: Batch, names: tuple[str, ...]) -> None:
        """Every frame of the batch is in the database or a dead letter, on the disk, when this returns.

        Args:
            batch: frames; its place is the same each time it is tried.
            names: the features of its records, in their order.

        Raises:
            PmmdsError: the database is away, or its tables are not up to date.
            SQLAlchemyError, ValueError, …: a row was refused, and the batch has attempts left.
            OSError: a dead letter could not be written.
        """
        dead = [dead_frame(payload) for payload in batch.undecodable]
        log = self._open_log()
        try:
            appended = [self._append(log, batch.records, names)]
        except _PERHAPS_A_ROW as error:
            if not is_about_a_row(error) or self._has_attempts_left(batch.place):
                self._log = None
                raise
            appended, refused = self._one_by_one(log, batch.records, names)
            dead += refused
        except BaseException:
            self._log = None
            raise
        self._settle(appended, dead)
        self._refused = ("", 0)

    def deliver_together(self, batches: Sequence[Batch], names: tuple[str, ...]) -> bool:
        """Every batch is in the database when this returns True, in one transaction: many small ones cost one commit.

        False when one of them has something to refuse: nothing was written, and each is to be delivered by itself.

        Raises:
            PmmdsError, SQLAlchemyError, …: as `deliver`, but not over a row.
        """
        if any(batch.undecodable for batch in batches):
            return False
        records = [record for batch in batches for record in batch.records]
        try:
            appended = self._append(self._open_log(), records, names)
        except BaseException as error:
            if isinstance(error, _PERHAPS_A_ROW) and is_about_a_row(error):
                return False
            self._log = None
            raise
        self._settle([appended], [])
        return True

    def _settle(self, appended: Sequence[Appended], dead: Sequence[DeadLetter]) -> None:
        """Keep what has no row, then count the rest. Raises OSError; then nothing is counted, and all comes again."""
        taken = [taken_record(record, self._feature_names) for a in appended for record in a.taken]
        self._dead_letters.write([*dead, *taken])
        self.n_delivered += sum(a.n_new for a in appended)
        self.n_same += sum(a.n_same for a in appended)
        for a in appended:
            self._report_other(a)
            self.n_other += a.n_other

    def _report_other(self, appended: Appended) -> None:
        """Log the first repetition whose answer was not the logged one; later ones are only counted."""
        if appended.other is None or self.n_other:
            return
        repeated, version, logged, logged_version = appended.other
        events.warning(
            "repeated_request_answered_differently",
            request_id=repeated,
            model_version=version,
            logged_request_id=logged,
            logged_model_version=logged_version,
            note="The logged answer stays; others like it are counted in pmmds_repeated_requests_total.",
        )

    def _open_log(self) -> PredictionLog:
        if self._log is None:
            self._log = self._log_of()
        return self._log

    def _append(self, log: PredictionLog, records: Sequence[PredictionRecord], names: tuple[str, ...]) -> Appended:
        return log.add([self._in_present_order(record, names) for record in records])

    def _has_attempts_left(self, place: str) -> bool:
        before = self._refused[1] if self._refused[0] == place else 0
        self._refused = (place, before + 1)
        return before + 1 < self._max_attempts

    def _one_by_one(
        self, log: PredictionLog, records: Sequence[PredictionRecord], names: tuple[str, ...]
    ) -> tuple[list[Appended], list[DeadLetter]]:
        """Halve until the refused rows stand alone; the others go in. Raises when the database is away meanwhile."""
        try:
            return [self._append(log, records, names)], []
        except _PERHAPS_A_ROW as error:
            if not is_about_a_row(error):
                self._log = None
                raise
            if len(records) == 1:
                return [], [dead_record(records[0], names, error)]
        middle = len(records) // 2
        appended, dead = self._one_by_one(log, records[:middle], names)
        more_appended, more_dead = self._one_by_one(log, records[middle:], names)
        return appended + more_appended, dead + more_dead

    def _in_present_order(self, record: PredictionRecord, names: tuple[str, ...]) -> PredictionRecord:
        """The record as the present contract has it: features that it gained are missing."""
        if names == self._feature_names:
            return record
        values = dict(zip(names, record.features, strict=True))
        return msgspec.structs.replace(record, features=tuple(values.get(n) for n in self._feature_names))
