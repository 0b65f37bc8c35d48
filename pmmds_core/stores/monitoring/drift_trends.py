"""Drift over weeks: PSI by day and feature, and the number of features over a threshold in each report.

Reads the metrics only, never a report's document. Not here: single reports (drift_reports.py), pages of rows
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
    """A feature's reports whose windows ended on one UTC day.

    `psi`: the largest; None if every report had too few rows. `is_drifted`: True if a verdict counted the feature.
    `report_id`: the newest report of the day.
    """

    day: date
    feature: str
    psi: float | None
    is_drifted: bool
    report_id: int


@dataclass(frozen=True)
class ReportDrift:
    """One report. The score does not count.

    `n_features`: features with a PSI. `n_over`: for each threshold, the features with a PSI above it.
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
    """Drift by day since an aware time, oldest day first; of all features, with `__score__`, or of one."""
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
    """Every report whose window ended since an aware time, oldest first, with its features over each threshold."""
    r, m = drift_reports.c, drift_metrics.c
    columns = (r.report_id, r.model_version, r.window_start, r.window_end, r.n_reference, r.n_current, r.verdict)
    over = [sa.func.count().filter(m.psi > limit).label(f"over_{i}") for i, limit in enumerate(thresholds)]
    of_model = (r.model_name == model_name, r.window_end >= since)
    first = sa.select(sa.func.min(r.report_id)).where(*of_model).scalar_subquery()
    # Grouped by the metrics' own key, so that the database need not sort them.
    counts = sa.select(m.report_id, sa.func.count(m.psi).label("n_features"), *over)
    counts_of = counts.where(m.feature != SCORE, m.report_id >= first).group_by(m.report_id).subquery()
    query = sa.select(*columns, counts_of.c.n_features, *(counts_of.c[o.name] for o in over))
    query = query.join_from(drift_reports, counts_of, counts_of.c.report_id == r.report_id).where(*of_model)
    names = [*(c.name for c in columns), "n_features"]
    with database.connect() as connection:
        rows = connection.execute(query.order_by(r.report_id)).all()
    return [ReportDrift(**dict(zip(names, row, strict=False)), n_over=tuple(row[len(names) :])) for row in rows]


def _date(value: date | str) -> date:
    """SQLite's function returns text, PostgreSQL's a date."""
    return date.fromisoformat(value) if isinstance(value, str) else value
