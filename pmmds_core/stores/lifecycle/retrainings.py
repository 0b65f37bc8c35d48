"""Retraining runs: the trigger, attempt and outcome of each.

Not here: starting a retraining (policies/retraining.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pmmds_core.errors import TrainingError
from pmmds_core.policies.events import FINISHED, STARTED, retraining_event
from pmmds_core.policies.events import GAVE_UP as GAVE_UP_EVENT
from pmmds_core.policies.retraining import ALERT, FAILED, RUNNING, WAITING, PastRetraining
from pmmds_core.runtime.time_windows import DAY
from pmmds_core.stores.database.dialects import insert
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import retraining_runs
from pmmds_core.stores.lifecycle.publisher import Publisher


@dataclass(frozen=True)
class RetrainingRun:
    """One recorded retraining. `trigger_type`, `cause`: see policies/retraining.py.

    `gave_up`: this run was the trigger's last automatic attempt; manual action is needed.
    """

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
    """A run's attempt number and trigger. `cause`: the trigger's key; None for a manual run."""

    run_id: str
    trigger_type: str
    attempt: int
    cause: str | None = None
    cause_text: str = ""
    alert_id: int | None = None


def alert_cause(alert_id: int) -> str:
    """Return the trigger key for an alert."""
    return f"{ALERT}:{alert_id}"


class RetrainingStore:
    """Claims, closes and lists retraining runs."""

    def __init__(self, database: Database, model_name: str, publisher: Publisher | None = None) -> None:
        """`publisher`: reports starts and outcomes; None: none is reported."""
        self._database = database
        self._model_name = model_name
        self._publisher = publisher or Publisher()

    def claim(self, attempt: Attempt) -> None:
        """Record that a run has started; idempotent per run.

        Raises:
            TrainingError: another run has already claimed this attempt.
        """
        with self._database.begin() as connection:
            inserted = self._insert(connection, attempt, RUNNING, "", None)
            self._publish(connection, inserted, STARTED)
        if inserted is None and self.of_run(attempt.run_id) is None:
            raise TrainingError(
                f"Another run has already claimed attempt {attempt.attempt} of {attempt.cause}. This run stops.",
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
        """Record the outcome of a run in progress or, unless the outcome is a failure, of a run pending approval.

        Returns:
            The run; None if it is unknown or already ended.
        """
        c = retraining_runs.c
        optional = {"challenger_version": challenger_version, "n_new_labels": n_new_labels}
        values = {"outcome": outcome, "reason": reason, "finished_at": datetime.now(UTC)}
        values |= {name: value for name, value in optional.items() if value is not None}
        states = [RUNNING] if outcome == FAILED else [RUNNING, WAITING]
        update = sa.update(retraining_runs).where(c.run_id == run_id, c.outcome.in_(states))
        run = _run(connection, update.values(**values).returning(retraining_runs))
        if outcome != WAITING:  # the decision's own event reports that it is pending
            self._publish(connection, run, FINISHED)
        return run

    def record_failure(self, connection: sa.Connection, attempt: Attempt, reason: str) -> RetrainingRun | None:
        """Record that a run crashed, even if it had not claimed its attempt yet.

        Returns:
            The run; None if it had already ended, or failed because another run had claimed its attempt.
        """
        inserted = self._insert(connection, attempt, FAILED, reason, datetime.now(UTC))
        self._publish(connection, inserted, FINISHED)
        return inserted or self.finish(connection, attempt.run_id, FAILED, reason)

    def has_given_up(self, connection: sa.Connection, cause: str) -> bool:
        """True if automatic retraining for the trigger has been given up."""
        c = retraining_runs.c
        query = sa.select(c.retraining_id).where(c.model_name == self._model_name, c.cause == cause, c.gave_up)
        return connection.execute(query).first() is not None

    def mark_given_up(self, connection: sa.Connection, retraining_id: str) -> None:
        """Record that this run was the trigger's last automatic attempt."""
        c = retraining_runs.c
        update = sa.update(retraining_runs).where(c.retraining_id == retraining_id).values(gave_up=True)
        self._publish(connection, _run(connection, update.returning(retraining_runs)), GAVE_UP_EVENT)

    def of_run(self, run_id: str) -> RetrainingRun | None:
        """The retraining of a Dagster run; None if the run is not a retraining."""
        runs = self._read(self._all().where(retraining_runs.c.run_id == run_id))
        return runs[0] if runs else None

    def attempts_of(self, alert_id: int) -> list[RetrainingRun]:
        """The retrainings of an alert, newest first."""
        return self._read(self._all().where(retraining_runs.c.cause == alert_cause(alert_id)))

    def past(self, causes: Collection[str], now: datetime) -> list[PastRetraining]:
        """The policy's input: all attempts of these triggers, unfinished runs and the runs started in the last day."""
        c = retraining_runs.c
        relevant = sa.or_(c.cause.in_(causes), c.outcome.in_([RUNNING, WAITING]), c.started_at > now - DAY)
        return [
            PastRetraining(r.cause, r.attempt, r.outcome, r.started_at, r.finished_at, r.n_new_labels)
            for r in self._read(self._all().where(relevant))
        ]

    def given_up(self, since: timedelta, now: datetime) -> list[RetrainingRun]:
        """Runs that were the last automatic attempt of their trigger, newest first."""
        c = retraining_runs.c
        return self._read(self._all().where(c.gave_up, c.finished_at > now - since))

    def running(self) -> list[RetrainingRun]:
        """Runs in progress, newest first."""
        return self._read(self._all().where(retraining_runs.c.outcome == RUNNING))

    def recent(self, limit: int = 20) -> list[RetrainingRun]:
        """The newest retrainings, newest first."""
        return self._read(self._all().limit(limit))

    def totals(self) -> dict[tuple[str, str], int]:
        """Number of finished retrainings by trigger type and outcome."""
        c = retraining_runs.c
        query = sa.select(c.trigger_type, c.outcome, sa.func.count().label("n")).where(
            c.model_name == self._model_name, c.outcome.not_in([RUNNING, WAITING])
        )
        with self._database.connect() as connection:
            rows = connection.execute(query.group_by(c.trigger_type, c.outcome)).all()
        return {(row.trigger_type, row.outcome): row.n for row in rows}

    def _publish(self, connection: sa.Connection, run: RetrainingRun | None, what: str) -> None:
        """Write an event in the transaction of the change; nothing if there was no change."""
        if run is not None:
            self._publisher.publish(connection, retraining_event(run, what), datetime.now(UTC))

    def _all(self) -> sa.Select[Any]:
        table = retraining_runs
        return sa.select(table).where(table.c.model_name == self._model_name).order_by(table.c.started_at.desc())

    def _read(self, query: sa.Select[Any]) -> list[RetrainingRun]:
        with self._database.connect() as connection:
            return [RetrainingRun(**row) for row in connection.execute(query).mappings()]

    def _insert(
        self, connection: sa.Connection, attempt: Attempt, outcome: str, reason: str, finished_at: datetime | None
    ) -> RetrainingRun | None:
        """Insert a row; return None if the run or the attempt already exists."""
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
