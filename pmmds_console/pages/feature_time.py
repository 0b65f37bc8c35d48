"""One feature over weeks: its PSI with the model's performance and the events, and its distribution by day.

Not here: the distribution in one report (features.py), all features (drift.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np

from pmmds_console.pages.events import Event, events_since, rows_since
from pmmds_console.pages.performance import quality_chart
from pmmds_console.pages.time_columns import Columns, columns_until
from pmmds_core.deployment import Deployment
from pmmds_core.drift.report import DriftReport
from pmmds_core.reports import charts
from pmmds_core.reports.drift_history import MIN_ROWS_A_CELL
from pmmds_core.reports.time_axis import TimeAxis, roomy_axis
from pmmds_core.stores.lifecycle.history import PERFORMANCE
from pmmds_core.stores.monitoring.daily_counts import DayCounts, daily_counts
from pmmds_core.stores.monitoring.drift_trends import daily_drift

MAX_BINS = 20
WIDTH = 640
# Limits of the colors: how far a share of rows is from the reference, 0–1.
CHANGE_STEPS = (0.02, 0.05, 0.1, 0.2)
_LANES = ("alert", "promotion", "rollback")
Bins = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class ShareCell:
    """The share of rows in a bin. `step`: 0–4, the color, which is the change; None: too few rows for a share."""

    share: float | None
    step: int | None


@dataclass(frozen=True)
class SharesByDay:
    """`columns`: the days or weeks. `rows`: (bin, reference share, cells); a cell is None without rows."""

    columns: Columns
    rows: Sequence[tuple[str, float, Sequence[ShareCell | None]]]
    n_left_out: int


def over_time(
    deployment: Deployment, name: str, bins: Bins, n_weeks: int, report: DriftReport | None
) -> dict[str, Any]:
    """The charts and the table of a feature over the last `n_weeks` weeks; the bins are those of the report."""
    now = datetime.now(UTC)
    since = datetime.combine(now.date() - timedelta(weeks=n_weeks), time(), UTC)
    version = report.model_version if report else ""
    counts = daily_counts(deployment.database, deployment.model_name, version, name, since)
    return {
        "shares": shares_by_day(counts, bins, columns_until(now.date(), n_weeks)),
        "change_steps": ("below 2", "2–5", "5–10", "10–20", "20 and above"),
        **_charts(deployment, name, since),
    }


def shares_by_day(counts: DayCounts, bins: Bins, columns: Columns) -> SharesByDay | None:
    """The share of each bin's rows in each column, for the MAX_BINS bins with the largest shares; None without rows."""
    sums = np.zeros((columns.number, len(bins)))
    for day, numbers in counts.items():
        column = columns.of(day)
        if column is not None and len(numbers) == len(bins):
            sums[column] += numbers
    if not sums.any():
        return None
    n_rows = sums.sum(axis=1)
    shares = np.divide(sums, n_rows[:, None], out=np.zeros_like(sums), where=n_rows[:, None] > 0)
    reference = np.array([b["reference_share"] or 0.0 for b in bins])
    largest = np.maximum(shares.max(axis=0), reference)
    shown = sorted(np.argsort(-largest, kind="stable")[:MAX_BINS])
    rows = [
        (str(bins[i]["label"]), float(reference[i]), _cells(shares[:, i], n_rows, reference[i]))
        for i in shown
        if largest[i] > 0
    ]
    return SharesByDay(columns, rows, max(0, int((largest > 0).sum()) - MAX_BINS))


def _cells(shares: Any, n_rows: Any, reference: float) -> list[ShareCell | None]:
    return [
        None
        if not n
        else ShareCell(None, None)
        if n < MIN_ROWS_A_CELL
        else ShareCell(float(share), _step(share - reference))
        for share, n in zip(shares, n_rows, strict=True)
    ]


def _step(change: float) -> int:
    """The color of a change. Rounding keeps 0.45 − 0.5 at the limit 0.05."""
    return sum(round(abs(float(change)), 9) >= limit for limit in CHANGE_STEPS)


def _charts(deployment: Deployment, name: str, since: datetime) -> dict[str, str]:
    """The PSI, the ROC-AUC and the events below each other on one time axis."""
    days = daily_drift(deployment.database, deployment.model_name, since, feature=name)
    measured_at = [_noon(day.day) for day in days]
    points = [{"at": at, "feature": name, "psi": day.psi} for at, day in zip(measured_at, days, strict=True)]
    documents = [r["document"] for r in rows_since(deployment, PERFORMANCE, since)]
    if not points:
        return {"history": "", "quality": "", "lanes": ""}
    events = sorted((e for e in events_since(deployment, since) if e.lane in _LANES), key=lambda e: e.lane)
    labeled_at = [_noon(date.fromisoformat(d["day"])) for d in documents]
    axis = roomy_axis([*measured_at, *labeled_at, *(e.at for e in events)], timedelta(hours=12))
    threshold = deployment.settings.drift_psi_threshold
    text = f"The dashed line is the threshold {threshold:g}."
    return {
        "history": charts.history(
            charts.ChartText("past", f"PSI of {name} by day", text), points, threshold, axis=axis, width=WIDTH
        ),
        "quality": quality_chart(deployment, documents, axis, WIDTH),
        "lanes": _lanes(events, axis),
    }


def _lanes(events: Sequence[Event], axis: TimeAxis) -> str:
    text = charts.ChartText("lanes", "Events", "Alerts, promotions and rollbacks; the versions page lists them.")
    return charts.events(text, [{"at": e.at, "lane": e.lane, "tone": e.tone} for e in events], axis, width=WIDTH)


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)
