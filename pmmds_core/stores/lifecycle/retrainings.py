"""Retraining runs: what asked for which attempt, and how it ended. Keep out: when to start (retraining_policy)."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pmmds_core.errors import TrainingError
from pmmds_core.policies.retraining import ALERT, FAILED, RUNNING, WAITING, PastRetraining
from pmmds_core.runtime.time_windows import DAY
from pmmds_core.stores.database.dialects import insert
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import retraining_runs


@dataclass(frozen=True)
class RetrainingRun:
    """One recorded retraining. `trigger_type`, `cause`: see retraining_policy; `gave_up`: it left that to a person."""

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
    cause: str | None
    cause_text: str
    n_new_labels: int | None
    gave_up: bool


@dataclass(frozen=True)
class Attempt:
    """Which attempt a run is, of what. `cause`: None for a person's own."""

    run_id: str
    trigger_type: str
    attempt: int
    cause: str | None = None
    cause_text: str = ""
    alert_id: int | None = None


def alert_cause(alert_id: int) -> str:
    """What an alert's attempts are counted under."""
    return f"{ALERT}:{alert_id}"


class RetrainingStore:
    """Claims, closes and lists retraining runs."""

    def __init__(self, database: Database, model_name: str) -> None:
        self._database = database
        self._model_name = model_name

    def claim(self, attempt: Attempt) -> None:
        """Record that a run has begun. The same run may claim twice; another run may not take the same attempt.

        Raises:
            TrainingError: another run has this attempt of the cause.
        """
        with self._database.begin() as connection:
            inserted = self._insert(connection, attempt, RUNNING, "", None)
        if inserted is None and self.of_run(attempt.run_id) is None:
            raise TrainingError(
                f"Attempt {attempt.attempt} of {attempt.cause} is taken by another run; this one stops.",
            )

    def finish(
        self,
        connection: sa.Connection,
        run_id: str,
        outcome: str,
        reason: str,
        challenger_version: str | None = None,
        n_new_labels: int | None = None,
    ) -> RetrainingRun | None:
        """Record how a run ended; only a running one can end, and one that waits for approval does not fail.

        Returns:
            The run; None when it is unknown or had ended before.
        """
        c = retraining_runs.c
        known = {"challenger_version": challenger_version, "n_new_labels": n_new_labels}
        values = {"outcome": outcome, "reason": reason, "finished_at": datetime.now(UTC)}
        values |= {name: value for name, value in known.items() if value is not None}
        endable = [RUNNING] if outcome == FAILED else [RUNNING, WAITING]
        update = sa.update(retraining_runs).where(c.run_id == run_id, c.outcome.in_(endable))
        return _run(connection, update.values(**values).returning(retraining_runs))

    def record_failure(self, connection: sa.Connection, attempt: Attempt, reason: str) -> RetrainingRun | None:
        """Book a run that died, whether or not it had got as far as claiming its attempt.

        Returns:
            The run; None when it had ended before, or died because another run had its attempt.
        """
        inserted = self._insert(connection, attempt, FAILED, reason, datetime.now(UTC))
        return inserted or self.finish(connection, attempt.run_id, FAILED, reason)

    def has_given_up(self, connection: sa.Connection, cause: str) -> bool:
        """Whether a person was left with this cause already."""
        c = retraining_runs.c
        query = sa.select(c.retraining_id).where(c.model_name == self._model_name, c.cause == cause, c.gave_up)
        return connection.execute(query).first() is not None

    def mark_given_up(self, connection: sa.Connection, retraining_id: str) -> None:
        c = retraining_runs.c
        connection.execute(sa.update(retraining_runs).where(c.retraining_id == retraining_id).values(gave_up=True))

    def of_run(self, run_id: str) -> RetrainingRun | None:
        found = self._read(self._all().where(retraining_runs.c.run_id == run_id))
        return found[0] if found else None

    def attempts_of(self, alert_id: int) -> list[RetrainingRun]:
        """The retrainings of an alert, newest first."""
        return self._read(self._all().where(retraining_runs.c.cause == alert_cause(alert_id)))

    def past(self, causes: Collection[str], now: datetime) -> list[PastRetraining]:
        """What the policy asks for: all attempts of these causes, what has not ended, and what began lately."""
        c = retraining_runs.c
        counts = sa.or_(c.cause.in_(causes), c.outcome.in_([RUNNING, WAITING]), c.started_at > now - DAY)
        return [
            PastRetraining(r.cause, r.attempt, r.outcome, r.started_at, r.finished_at, r.n_new_labels)
            for r in self._read(self._all().where(counts))
        ]

    def given_up(self, since: timedelta, now: datetime) -> list[RetrainingRun]:
        """Those whose end left their cause to a person, newest first."""
        c = retraining_runs.c
        return self._read(self._all().where(c.gave_up, c.finished_at > now - since))

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
        self, connection: sa.Connection, attempt: Attempt, outcome: str, reason: str, finished_at: datetime | None
    ) -> RetrainingRun | None:
        """None where the run or the attempt is there already."""
        row = {
            "retraining_id": uuid.uuid4().hex[:12],
            "model_name": self._model_name,
            **vars(attempt),
            "outcome": outcome,
            "reason": reason,
            "gave_up": False,
            "started_at": datetime.now(UTC),
            "finished_at": finished_at,
        }
        statement = insert(connection, retraining_runs).values(row).on_conflict_do_nothing()
        return _run(connection, statement.returning(retraining_runs))


def _run(connection: sa.Connection, statement: Any) -> RetrainingRun | None:
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else RetrainingRun(**row)
