"""Time-dependent content of the drift report page: hourly PSI in the window, and previous reports.

Not here: rendering (charts.py), reading the database (stores/monitoring).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from pmmds_core.drift.comparison import psi, psi_expected_by_chance
from pmmds_core.drift.few_rows import without_findings
from pmmds_core.profiling.bins import SCORE
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.runtime.time_windows import HOUR

if TYPE_CHECKING:
    from pmmds_core.drift.report import DriftReport
    from pmmds_core.profiling.hourly_counts import HourlyCounts

# With fewer rows, the PSI of ten bins varies randomly by more than one step of the heatmap.
MIN_ROWS_A_CELL = 50
MAX_COLUMNS = 48


@dataclass(frozen=True)
class HeatCell:
    """The PSI of one feature in a range of hours, minus its expected value without drift.

    The PSI is None if there are too few rows.
    """

    feature: str
    start: datetime
    excess: float | None


@dataclass(frozen=True)
class PastReport:
    """One report in the history.

    `psi` maps each feature to its PSI. `worst` is the feature with the largest PSI, not counting the score.
    """

    window_end: datetime
    model_version: str
    n_current: int
    verdict: str
    psi: Mapping[str, float | None]

    @property
    def worst(self) -> str:
        measured = {f: v for f, v in self.psi.items() if v is not None and f != SCORE}
        if not measured:
            return "–"
        name = max(measured, key=lambda f: measured[f])
        return f"{name} {measured[name]:.3f}"


@dataclass(frozen=True)
class PageContext:
    """The hourly PSI and the past reports.

    `cells` are in the profile's feature order with ascending hours, and each cell is `hours_a_cell` wide. `reports` has
    this report and the previous reports, newest first.
    """

    cells: Sequence[HeatCell] = ()
    hours_a_cell: int = 1
    reports: Sequence[PastReport] = ()


def heat_cells(profile: ReferenceProfile, hours: HourlyCounts, width: int) -> list[HeatCell]:
    """Return the PSI above chance for each feature and range of `width` hours.

    Hours without rows have no cell. The mean PSI of two samples without drift (`psi_expected_by_chance`) is subtracted,
    because hours with few rows have a high PSI even without drift. The result is never less than 0.
    """
    ranges = _merged_hours(hours, width)
    return [
        HeatCell(feature.bins.feature, start, _excess(feature.counts, counts[feature.bins.feature]))
        for feature in profile.with_score
        for start, counts in ranges.items()
        if feature.bins.feature in counts
    ]


def hours_a_cell(start: datetime, end: datetime) -> int:
    """Return the number of hours per column that gives at most MAX_COLUMNS columns."""
    n_hours = max(1, -int((start - end).total_seconds() // 3600))
    return -(-n_hours // MAX_COLUMNS)


def past_reports(reports: Iterable[DriftReport]) -> list[PastReport]:
    """Convert stored reports to the page's history, in the given order."""
    return [
        PastReport(
            r.window_end,
            r.model_version,
            r.n_current,
            r.verdict,
            # Reports from older releases also have measures if there were too few rows.
            {f["feature"]: f["psi"] for f in without_findings(r.document)["features"]},
        )
        for r in reports
    ]


def _merged_hours(hours: HourlyCounts, width: int) -> dict[datetime, dict[str, Any]]:
    """Sum counts over ranges of `width` hours, starting at the first hour."""
    merged: dict[datetime, dict[str, Any]] = {}
    ordered = sorted(hours)
    for hour in ordered:
        n_before = (hour - ordered[0]) // (width * HOUR)
        into = merged.setdefault(ordered[0] + n_before * width * HOUR, {})
        for feature, counts in hours[hour].items():
            into[feature] = into[feature] + counts if feature in into else counts
    return merged


def _excess(reference_counts: Sequence[int], current: Any) -> float | None:
    reference = np.asarray(reference_counts, dtype=np.int64)
    n_reference, n_current = int(reference.sum()), int(current.sum())
    if min(n_current, n_reference) < MIN_ROWS_A_CELL or len(current) != len(reference):
        return None
    n_bins = int(((reference + current) > 0).sum())
    return max(0.0, psi(reference, current) - psi_expected_by_chance(n_reference, n_current, n_bins))
