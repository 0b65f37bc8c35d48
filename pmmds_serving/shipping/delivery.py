"""Delivers spooled batches to the prediction log; rows that the database permanently rejects become dead letters.

Not here: claiming segments (orphans.py), the retry loop (shipper.py), files of dead letters
(dead_letters.py).
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

# Errors that a value can cause in conversions and database drivers.
_PERHAPS_A_ROW = (SQLAlchemyError, ValueError, TypeError, ArithmeticError, LookupError)


def is_about_a_row(error: Exception) -> bool:
    """True if a reachable database, or the conversion before it, rejected a value.

    Any other error (server unavailable, missing column, missing privilege, bug) would affect every row, so the rows
    wait.
    """
    if isinstance(error, DBAPIError):
        return isinstance(error, IntegrityError | DataError) and not error.connection_invalidated
    return isinstance(error, StatementError | ValueError | TypeError | ArithmeticError | LookupError)


class Delivery:
    """Writes batches to the prediction log. `log_of` opens it; it is called again after every failure.

    `n_delivered`: new rows. `n_same`, `n_other`: repeated requests, see `pmmds_core.stores.predictions.log.Appended`.
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
        self._refused: tuple[str, int] = ("", 0)  # the last rejected batch's position and its number of attempts

    def deliver(self, batch: Batch, names: tuple[str, ...]) -> None:
        """Durably write every frame of the batch to the database or to the dead letters.

        Args:
            batch: frames; `place` is the same in each attempt.
            names: feature names of its records, in order.

        Raises:
            PmmdsError: the database is unavailable or its schema outdated.
            SQLAlchemyError, ValueError, …: a row was rejected, and the batch has attempts left.
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
        self._complete(appended, dead)
        self._refused = ("", 0)

    def deliver_together(self, batches: Sequence[Batch], names: tuple[str, ...]) -> bool:
        """Write several small batches in one transaction.

        Returns False if one of them has a bad row or frame; nothing was written, and each must be delivered alone.

        Raises:
            PmmdsError, SQLAlchemyError, …: the same errors as `deliver`, except for rejected rows.
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
        self._complete([appended], [])
        return True

    def _complete(self, appended: Sequence[Appended], dead: Sequence[DeadLetter]) -> None:
        """Write the dead letters, then update the counts. Raises OSError before anything is counted."""
        taken = [taken_record(record, self._feature_names) for a in appended for record in a.taken]
        self._dead_letters.write([*dead, *taken])
        self.n_delivered += sum(a.n_new for a in appended)
        self.n_same += sum(a.n_same for a in appended)
        for a in appended:
            self._report_other(a)
            self.n_other += a.n_other

    def _report_other(self, appended: Appended) -> None:
        """Log the first repeated request whose prediction differs from the logged one; only count later ones."""
        if appended.other is None or self.n_other:
            return
        repeated, version, logged, logged_version = appended.other
        events.warning(
            "repeated_request_answered_differently",
            request_id=repeated,
            model_version=version,
            logged_request_id=logged,
            logged_model_version=logged_version,
            note="The logged prediction is kept. Further cases are counted in pmmds_repeated_requests_total.",
        )

    def _open_log(self) -> PredictionLog:
        if self._log is None:
            self._log = self._log_of()
        return self._log

    def _append(self, log: PredictionLog, records: Sequence[PredictionRecord], names: tuple[str, ...]) -> Appended:
        return log.add([self._in_contract_order(record, names) for record in records])

    def _has_attempts_left(self, place: str) -> bool:
        before = self._refused[1] if self._refused[0] == place else 0
        self._refused = (place, before + 1)
        return before + 1 < self._max_attempts

    def _one_by_one(
        self, log: PredictionLog, records: Sequence[PredictionRecord], names: tuple[str, ...]
    ) -> tuple[list[Appended], list[DeadLetter]]:
        """Write the batch, halving it to isolate rejected rows. Raises if the database becomes unavailable."""
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

    def _in_contract_order(self, record: PredictionRecord, names: tuple[str, ...]) -> PredictionRecord:
        """Return the record with the current contract's features; new features get missing values."""
        if names == self._feature_names:
            return record
        values = dict(zip(names, record.features, strict=True))
        return msgspec.structs.replace(record, features=tuple(values.get(n) for n in self._feature_names))
