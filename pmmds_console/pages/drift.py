"""Drift over weeks: the heatmap of feature and time, and the list of reports.

Not here: one feature (features.py), one report (reports.py), the measures (pmmds_core/drift).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from msgspec import Meta

from pmmds_console.api.parameters import Parameter
from pmmds_console.pages.page import Page, PageContent, PageRequest
from pmmds_console.pages.time_columns import Columns, columns_until
from pmmds_core.deployment import Deployment
from pmmds_core.profiling.bins import SCORE
from pmmds_core.reports.chart_designs import HEAT_STEPS
from pmmds_core.stores.lifecycle.history import ALERTS, REPORTS, Selection
from pmmds_core.stores.monitoring.drift_trends import DailyDrift, daily_drift

DEFAULT_WEEKS, MAX_WEEKS = 4, 52
N_REPORTS, N_ALERTS = 30, 200
MAX_ROWS = 60
WEEKS = Parameter("weeks", Annotated[int, Meta(ge=1, le=MAX_WEEKS)], "Weeks until now", DEFAULT_WEEKS)


@dataclass(frozen=True)
class Cell:
    """A feature in one column. `step`: 0–4, the color; None: too few rows. `report_id`: where a click leads."""

    psi: float | None
    step: int | None
    is_drifted: bool
    report_id: int


@dataclass(frozen=True)
class Heatmap:
    """`columns`: labels, oldest first. `rows`: (feature, cells), the most drifted feature first; None: no report."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell | None]]]
    n_left_out: int
    unit: str


def last_day(days: Sequence[DailyDrift], today: date) -> date:
    """The day of the last column: tomorrow if a report's window ends at midnight, otherwise today."""
    return max([today, *(day.day for day in days)])


def heatmap(days: Sequence[DailyDrift], columns: Columns) -> Heatmap:
    """The cell of each feature in each column."""
    cells: dict[str, list[Cell | None]] = {}
    for day in days:
        column = columns.of(day.day)
        if column is not None:
            row = cells.setdefault(day.feature, [None] * columns.number)
            row[column] = _merged(row[column], day)
    ordered = sorted(cells.items(), key=lambda pair: _order(*pair))
    return Heatmap(columns.labels, ordered[:MAX_ROWS], max(0, len(ordered) - MAX_ROWS), columns.unit)


def alerts_by_column(deployment: Deployment, columns: Columns, since: datetime) -> list[int | None]:
    """The newest alert that was opened in each column, or None; empty if no alert was opened."""
    found: list[int | None] = [None] * columns.number
    for row in reversed(deployment.history.page(ALERTS, Selection(N_ALERTS, since=since)).rows):
        column = columns.of(row["opened_at"].date())
        if column is not None:
            found[column] = row["alert_id"]
    return found if any(found) else []


def _merged(before: Cell | None, day: DailyDrift) -> Cell:
    """A cell that also covers this day: the largest PSI and its report."""
    if before is not None and (before.psi or -1.0) >= (day.psi or -1.0):
        return Cell(before.psi, before.step, before.is_drifted or day.is_drifted, before.report_id)
    step = None if day.psi is None else sum(day.psi >= limit for limit in HEAT_STEPS)
    return Cell(day.psi, step, day.is_drifted or bool(before and before.is_drifted), day.report_id)


def _order(feature: str, row: Sequence[Cell | None]) -> tuple[bool, float, str]:
    """The score last; before it, the largest PSI first."""
    return feature == SCORE, -max((c.psi or 0.0 for c in row if c is not None), default=0.0), feature


def _drift(asked: PageRequest) -> PageContent:
    deployment, n_weeks = asked.deployment, asked.values["weeks"]
    today = datetime.now(UTC).date()
    since = datetime.combine(today - timedelta(weeks=n_weeks), datetime.min.time(), UTC)
    days = daily_drift(deployment.database, deployment.model_name, since)
    columns = columns_until(last_day(days, today), n_weeks)
    content = {
        "heatmap": heatmap(days, columns),
        "alerts": alerts_by_column(deployment, columns, since),
        "weeks": n_weeks,
        "choices": (1, 4, 13, 26, 52),
        "steps": ("below 0.05", "0.05–0.1", "0.1–0.2", "0.2–0.25", "0.25 and above"),
        "reports": deployment.history.page(REPORTS, Selection(N_REPORTS)).rows,
        "score": SCORE,
    }
    return PageContent("Drift", content)


PAGES = (Page("/drift", "drift.html", _drift, (WEEKS,), navigation="Drift"),)
