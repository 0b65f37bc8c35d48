"""Daily performance: the state of each day (to detect changed days), its rows, and stored results.

Not here: measuring (statistics/intervals.py, models/calibration.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract
from pmmds_core.runtime.time_windows import DAY
from pmmds_core.statistics.arrays import Labels, Probabilities
from pmmds_core.stores.database.dialects import hour_of, insert
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import daily_performance, ground_truth, prediction_logs
from pmmds_core.stores.predictions.archive import PredictionArchive, logged_rows


@dataclass(frozen=True)
class DayState:
    """Row and label counts of one version on one day. `digest` changes with every new row or label."""

    model_version: str
    day: datetime
    n_rows: int
    n_labelled: int
    digest: str


@dataclass(frozen=True)
class DayRows:
    """Predictions of one version on one day; each array is (n,). `labels`: −1 if the label is missing."""

    probabilities: Probabilities
    predictions: Labels
    labels: Labels


@dataclass(frozen=True)
class StoredDay:
    """A stored result."""

    model_version: str
    day: datetime
    n_rows: int
    n_labelled: int
    document: Mapping[str, Any]
    computed_at: datetime


class DailyPerformanceStore:
    """Reads the rows to measure; writes and reads the results."""

    def __init__(self, database: Database, contract: Contract, archive: PredictionArchive | None = None) -> None:
        self._database = database
        self._archive = archive
        self._log = prediction_logs(contract)
        self._name = contract.model_name

    def states(self, start: datetime, end: datetime) -> list[DayState]:
        """Every version and day with rows in [start, end), oldest first."""
        log, truth = self._log, ground_truth
        hour = hour_of(log.c.predicted_at)
        query = (
            sa.select(
                log.c.model_version,
                hour.label("hour"),
                sa.func.count().label("n_rows"),
                sa.func.count(truth.c.label).label("n_labelled"),
                sa.func.max(truth.c.received_at).label("received_at"),
            )
            .join_from(log, truth, log.c.request_id == truth.c.request_id, isouter=True)
            .where(log.c.model_name == self._name, log.c.predicted_at >= start, log.c.predicted_at < end)
            .group_by(log.c.model_version, hour)
        )
        days: dict[tuple[datetime, str], list[Any]] = {}
        for row in self._from_log_and_archive(query, start, end):
            key = (row.hour.replace(hour=0), row.model_version)
            days.setdefault(key, []).append((row.n_rows, row.n_labelled, row.received_at))
        return [_state(version, day, hours) for (day, version), hours in sorted(days.items())]

    def rows(self, model_version: str, day: datetime) -> DayRows:
        """A version's predictions in [day, day + 1)."""
        log, truth = self._log, ground_truth
        query = (
            sa.select(log.c.request_id, log.c.probability, log.c.prediction, truth.c.label)
            .join_from(log, truth, log.c.request_id == truth.c.request_id, isouter=True)
            .where(
                log.c.model_name == self._name,
                log.c.model_version == model_version,
                log.c.predicted_at >= day,
                log.c.predicted_at < day + DAY,
            )
        )
        rows = self._from_log_and_archive(query, day, day + DAY)
        return _day_rows(sorted(rows, key=lambda row: row.request_id))

    def labelled_since(self, model_version: str, start: datetime, limit: int) -> DayRows:
        """The newest `limit` labeled predictions of a version since `start`."""
        log, truth = self._log, ground_truth
        query = (
            sa.select(log.c.predicted_at, log.c.probability, log.c.prediction, truth.c.label)
            .join_from(log, truth, log.c.request_id == truth.c.request_id)
            .where(
                log.c.model_name == self._name,
                log.c.model_version == model_version,
                log.c.predicted_at >= start,
            )
            .order_by(log.c.predicted_at.desc())
            .limit(limit)
        )
        rows = self._from_log_and_archive(query, start, datetime.now(UTC) + DAY)
        return _day_rows(sorted(rows, key=lambda row: row.predicted_at, reverse=True)[:limit])

    def _from_log_and_archive(self, query: sa.Select[Any], start: datetime, end: datetime) -> list[Any]:
        """Read rows from the database and the archive."""
        with logged_rows(self._database, self._archive, start, end) as logged:
            logged.add_table(ground_truth, *ground_truth.c)
            return logged.execute(query)

    def save(self, state: DayState, document: Mapping[str, Any]) -> None:
        """Store the result of a day, replacing an earlier one."""
        row = {
            "model_name": self._name,
            "model_version": state.model_version,
            "day": state.day,
            "n_rows": state.n_rows,
            "n_labelled": state.n_labelled,
            "document": dict(document),
            "computed_at": datetime.now(UTC),
        }
        with self._database.begin() as connection:
            statement = insert(connection, daily_performance).values(row)
            new = {name: statement.excluded[name] for name in ("n_rows", "n_labelled", "document", "computed_at")}
            keys = ["model_name", "model_version", "day"]
            connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=new))

    def results(self, start: datetime) -> list[StoredDay]:
        """Stored results of days since `start`, oldest first."""
        t = daily_performance
        columns = (t.c.model_version, t.c.day, t.c.n_rows, t.c.n_labelled, t.c.document, t.c.computed_at)
        query = sa.select(*columns).where(t.c.model_name == self._name, t.c.day >= start)
        with self._database.connect() as connection:
            rows = connection.execute(query.order_by(t.c.day, t.c.model_version)).mappings()
            return [StoredDay(**row) for row in rows]


def _state(version: str, day: datetime, hours: list[Any]) -> DayState:
    n_rows, n_labelled = sum(h[0] for h in hours), sum(h[1] for h in hours)
    newest = max((h[2] for h in hours if h[2] is not None), default=None)
    return DayState(version, day, n_rows, n_labelled, f"{n_rows} {n_labelled} {newest}")


def _day_rows(rows: Sequence[Any]) -> DayRows:
    return DayRows(
        np.array([r.probability for r in rows], dtype=np.float64),
        np.array([r.prediction for r in rows], dtype=np.int64),
        np.array([-1 if r.label is None else r.label for r in rows], dtype=np.int64),
    )
