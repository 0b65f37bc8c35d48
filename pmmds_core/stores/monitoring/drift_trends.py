"""Drift over weeks: the PSI by day and feature, and the number of features above a threshold in each report.

Only the metrics are read, never a report's document. Not here: single reports (drift_reports.py), pages of rows
(lifecycle/history.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa

from pmmds_core.profiling.bins import SCORE
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import drift_metrics, drift_reports


@dataclass(frozen=True)
class DailyDrift:
    """A feature's results in the reports whose windows ended on one UTC day.

    `psi` is the largest PSI, or None if every report had too few rows. `is_drifted` is True if the feature counted as
    drifted in any verdict. `report_id` is the id of the day's newest report.
    """

    day: date
    feature: str
    psi: float | None
    is_drifted: bool
    report_id: int


@dataclass(frozen=True)
class ReportDrift:
    """The numbers of features in one report, not counting the score.

    `n_features` is the number of features with a PSI. `n_over` holds, for each threshold, the number of features whose
    PSI is above the threshold.
    """

    report_id: int
    model_version: str
    window_start: datetime
    window_end: datetime
    n_reference: int
    n_current: int
    verdict: str
    n_features: int
    n_over: tuple[int, ...]


def daily_drift(database: Database, model_name: str, since: datetime, *, feature: str = "") -> list[DailyDrift]:
    """Return the drift by day since a time with a time zone, oldest day first.

    The result contains all features, including `__score__`, or a single feature.
    """
    r, m = drift_reports.c, drift_metrics.c
    day = sa.func.date(r.window_end).label("day")
    newest = sa.func.max(r.report_id).label("report_id")
    drifted = sa.func.max(sa.cast(m.is_drifted, sa.Integer)).label("is_drifted")
    query = sa.select(day, m.feature, sa.func.max(m.psi).label("psi"), drifted, newest)
    query = query.join_from(drift_reports, drift_metrics).where(r.model_name == model_name, r.window_end >= since)
    query = query.where(m.feature == feature) if feature else query
    with database.connect() as connection:
        rows = connection.execute(query.group_by(day, m.feature).order_by(day, m.feature)).all()
    return [DailyDrift(_date(x.day), x.feature, x.psi, bool(x.is_drifted), x.report_id) for x in rows]


def report_drift(
    database: Database, model_name: str, since: datetime, thresholds: Sequence[float]
) -> list[ReportDrift]:
    """Return the reports whose windows ended since a time with a time zone, oldest first.

    Each has the number of features above each threshold.
    """
    r, m = drift_reports.c, drift_metrics.c
    columns = (r.report_id, r.model_version, r.window_start, r.window_end, r.n_reference, r.n_current, r.verdict)
    over = [sa.func.count().filter(m.psi > limit).label(f"over_{i}") for i, limit in enumerate(thresholds)]
    of_model = (r.model_name == model_name, r.window_end >= since)
    first = sa.select(sa.func.min(r.report_id)).where(*of_model).scalar_subquery()
    # Group by the key of the metrics, so that the database does not need to sort them.
    counts = sa.select(m.report_id, sa.func.count(m.psi).label("n_features"), *over)
    counts_of = counts.where(m.feature != SCORE, m.report_id >= first).group_by(m.report_id).subquery()
    query = sa.select(*columns, counts_of.c.n_features, *(counts_of.c[o.name] for o in over))
    query = query.join_from(drift_reports, counts_of, counts_of.c.report_id == r.report_id).where(*of_model)
    names = [*(c.name for c in columns), "n_features"]
    with database.connect() as connection:
        rows = connection.execute(query.order_by(r.report_id)).all()
    return [ReportDrift(**dict(zip(names, row, strict=False)), n_over=tuple(row[len(names) :])) for row in rows]


def _date(value: date | str) -> date:
    """Convert a day to a date, because SQLite's function returns text and PostgreSQL's function returns a date."""
    return date.fromisoformat(value) if isinstance(value, str) else value
