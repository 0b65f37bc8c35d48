"""Retraining runs: which alert started which attempt, and how it ended. Keep out: when to start (retraining_policy)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from pmmds_core.errors import TrainingError
from pmmds_core.retraining_policy import FAILED, RUNNING, WAITING, RetrainingAttempt
from pmmds_core.stores.database import Database
from pmmds_core.stores.tables import retraining_runs


@dataclass(frozen=True)
class RetrainingRun:
    """One recorded retraining. `trigger_type`: alert or manual."""

    retraining_id: str
    model_name: str
    trigger_type: str
    alert_id: int | None
    attempt: int
    run_id: str
    outcome: str
    reason: str
    challenger_version: str | None
    started_at: datetime
    finished_at: datetime | None


class RetrainingStore:
    """Claims, closes and lists retraining runs."""

    def __init__(self, database: Database, model_name: str) -> None:
        self._database = database
        self._model_name = model_name

    def claim(self, *, run_id: str, trigger_type: str, alert_id: int | None, attempt: int) -> None:
        """Record that a run has begun. The same run may claim twice; another run may not take the same attempt.

        Raises:
            TrainingError: another run has this attempt of the alert.
        """
        if self.of_run(run_id) is not None:
            return
        try:
            self._insert(run_id, trigger_type, alert_id, attempt, RUNNING, "", None)
        except IntegrityError:
            raise TrainingError(
                f"Attempt {attempt} of alert {alert_id} is taken by another run; this one stops.",
            ) from None

    def finish(self, run_id: str, outcome: str, reason: str, challenger_version: str | None = None) -> None:
        """Record how a run ended; only a running one can end, and one that waits for approval does not fail."""
        table = retraining_runs
        values = {"outcome": outcome, "reason": reason, "finished_at": datetime.now(UTC)}
        if challenger_version is not None:
            values["challenger_version"] = challenger_version
        endable = [RUNNING] if outcome == FAILED else [RUNNING, WAITING]
        update = sa.update(table).where(table.c.run_id == run_id, table.c.outcome.in_(endable))
        with self._database.begin() as connection:
            connection.execute(update.values(**values))

    def record_failure(
        self, *, run_id: str, trigger_type: str, alert_id: int | None, attempt: int, reason: str
    ) -> None:
        """Book a run that died, whether or not it had got as far as claiming its attempt."""
        if self.of_run(run_id) is not None:
            self.finish(run_id, FAILED, reason)
            return
        try:
            self._insert(run_id, trigger_type, alert_id, attempt, FAILED, reason, datetime.now(UTC))
        except IntegrityError:
            return  # it died because another run had its attempt; that run's own record stands

    def of_run(self, run_id: str) -> RetrainingRun | None:
        found = self._read(self._all().where(retraining_runs.c.run_id == run_id))
        return found[0] if found else None

    def attempts_of(self, alert_id: int) -> list[RetrainingAttempt]:
        found = self._read(self._all().where(retraining_runs.c.alert_id == alert_id))
        return [RetrainingAttempt(r.attempt, r.outcome, r.started_at, r.finished_at) for r in found]

    def running(self) -> list[RetrainingRun]:
        return self._read(self._all().where(retraining_runs.c.outcome == RUNNING))

    def recent(self, limit: int = 20) -> list[RetrainingRun]:
        """The newest first."""
        return self._read(self._all().limit(limit))

    def totals(self) -> dict[tuple[str, str], int]:
        """Retrainings that have ended, by trigger type and outcome."""
        c = retraining_runs.c
        query = sa.select(c.trigger_type, c.outcome, sa.func.count().label("n")).where(
            c.model_name == self._model_name, c.outcome.not_in([RUNNING, WAITING])
        )
        with self._database.connect() as connection:
            rows = connection.execute(query.group_by(c.trigger_type, c.outcome)).all()
        return {(row.trigger_type, row.outcome): row.n for row in rows}

    def _all(self) -> sa.Select[Any]:
        table = retraining_runs
        return sa.select(table).where(table.c.model_name == self._model_name).order_by(table.c.started_at.desc())

    def _read(self, query: sa.Select[Any]) -> list[RetrainingRun]:
        with self._database.connect() as connection:
            return [RetrainingRun(**row) for row in connection.execute(query).mappings()]

    def _insert(
        self,
        run_id: str,
        trigger_type: str,
        alert_id: int | None,
        attempt: int,
        outcome: str,
        reason: str,
        finished_at: datetime | None,
    ) -> None:
        row = {
            "retraining_id": uuid.uuid4().hex[:12],
            "model_name": self._model_name,
            "trigger_type": trigger_type,
            "alert_id": alert_id,
            "attempt": attempt,
            "run_id": run_id,
            "outcome": outcome,
            "reason": reason,
            "started_at": datetime.now(UTC),
            "finished_at": finished_at,
        }
        with self._database.begin() as connection:
            connection.execute(sa.insert(retraining_runs).values(row))
