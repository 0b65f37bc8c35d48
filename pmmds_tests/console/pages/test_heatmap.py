"""The heatmap has the right cells. No server is started."""

from __future__ import annotations

from datetime import date, timedelta

from pmmds_console.pages.drift import Cell, heatmap, last_day
from pmmds_console.pages.time_columns import columns_until
from pmmds_core.profiling.bins import SCORE
from pmmds_core.stores.monitoring.drift_trends import DailyDrift

TODAY = date(2026, 3, 28)


def drift(
    days_ago: int, feature: str, psi: float | None, *, is_drifted: bool = False, report_id: int = 1
) -> DailyDrift:
    return DailyDrift(TODAY - timedelta(days=days_ago), feature, psi, is_drifted, report_id)


def test_a_month_has_a_column_per_day_that_ends_today() -> None:
    found = heatmap([drift(0, "a", 0.3), drift(27, "a", 0.12)], columns_until(TODAY, 4))
    assert found.unit == "day"
    assert (found.columns[0], found.columns[-1], len(found.columns)) == ("01 Mar", "28 Mar", 28)
    cells = found.rows[0][1]
    assert cells[0] == Cell(0.12, 2, False, 1)
    assert cells[27] == Cell(0.3, 4, False, 1)
    assert cells[1:27] == [None] * 26


def test_a_quarter_has_a_column_per_week_with_the_largest_psi() -> None:
    days = [drift(0, "a", 0.1, report_id=9), drift(6, "a", 0.22, is_drifted=True, report_id=3), drift(7, "a", 0.01)]
    found = heatmap(days, columns_until(TODAY, 13))
    assert found.unit == "week"
    assert found.rows[0][1][-2:] == [Cell(0.01, 0, False, 1), Cell(0.22, 3, True, 3)]


def test_a_day_with_too_few_rows_has_a_cell_without_a_color() -> None:
    assert heatmap([drift(0, "a", None)], columns_until(TODAY, 1)).rows[0][1][-1] == Cell(None, None, False, 1)


def test_the_most_drifted_feature_is_first_and_the_score_last() -> None:
    days = [drift(0, SCORE, 9.0), drift(0, "calm", 0.01), drift(0, "moved", 0.5)]
    assert [feature for feature, _ in heatmap(days, columns_until(TODAY, 1)).rows] == ["moved", "calm", SCORE]


def test_features_beyond_the_limit_are_counted() -> None:
    found = heatmap([drift(0, f"f{i:03d}", 0.1) for i in range(75)], columns_until(TODAY, 1))
    assert (len(found.rows), found.n_left_out) == (60, 15)


def test_a_window_that_ends_at_midnight_has_a_column() -> None:
    days = [drift(0, "a", 0.1), drift(-1, "a", 0.3)]
    found = heatmap(days, columns_until(last_day(days, TODAY), 1))
    assert (found.columns[-1], found.rows[0][1][-1]) == ("29 Mar", Cell(0.3, 4, False, 1))
    assert last_day(days[:1], TODAY) == last_day([], TODAY) == TODAY
