"""The table of a feature's distribution by day has the right shares and colors. No server is started."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pmmds_console.pages.feature_time import MAX_BINS, ShareCell, shares_by_day
from pmmds_console.pages.time_columns import columns_until
from pmmds_core.stores.monitoring.daily_counts import DayCounts

TODAY = date(2026, 3, 28)


def bins(*reference: float) -> list[dict[str, Any]]:
    return [{"label": f"bin {i}", "reference_share": share} for i, share in enumerate(reference)]


def counts(days: dict[int, list[int]]) -> DayCounts:
    return {TODAY - timedelta(days=n): np.array(numbers) for n, numbers in days.items()}


def test_a_day_has_the_share_of_each_bin_and_the_color_of_its_change() -> None:
    found = shares_by_day(counts({0: [90, 110], 3: [10, 190]}), bins(0.5, 0.5), columns_until(TODAY, 1))
    assert found is not None
    (first, reference, cells), second = found.rows
    assert (first, reference) == ("bin 0", 0.5)
    assert cells[6] == ShareCell(0.45, 2)
    assert cells[3] == ShareCell(0.05, 4)
    assert [c for i, c in enumerate(cells) if i not in (3, 6)] == [None] * 5
    assert [c.share for c in second[2] if c] == pytest.approx([0.95, 0.55])


def test_a_week_has_the_shares_of_all_its_rows() -> None:
    rng = np.random.default_rng(3)
    given = counts({n: rng.integers(50, 500, 3).tolist() for n in range(91)})
    found = shares_by_day(given, bins(0.4, 0.3, 0.3), columns_until(TODAY, 13))
    assert found is not None
    assert found.columns.unit == "week"
    frame = pd.DataFrame(given).T
    weeks = frame.groupby(np.array([(TODAY - day).days // 7 for day in frame.index])).sum().sort_index(ascending=False)
    shares = [[c.share for c in cells if c] for _, _, cells in found.rows]
    np.testing.assert_allclose(np.array(shares).T, weeks.div(weeks.sum(axis=1), axis=0).to_numpy())


def test_a_day_with_few_rows_has_no_share() -> None:
    found = shares_by_day(counts({0: [20, 20], 1: [50, 50]}), bins(0.5, 0.5), columns_until(TODAY, 1))
    assert found is not None
    assert [cells[-1] for _, _, cells in found.rows] == [ShareCell(None, None)] * 2


def test_bins_with_the_fewest_rows_are_left_out_and_empty_bins_are_not_counted() -> None:
    numbers = [*range(100, 100 + MAX_BINS + 5), 0]
    found = shares_by_day(counts({0: numbers}), bins(*[0.0] * len(numbers)), columns_until(TODAY, 1))
    assert found is not None
    assert [label for label, _, _ in found.rows] == [f"bin {i}" for i in range(5, MAX_BINS + 5)]
    assert found.n_left_out == 5


def test_without_rows_there_is_no_table() -> None:
    columns = columns_until(TODAY, 1)
    assert shares_by_day({}, bins(1.0), columns) is None
    assert shares_by_day(counts({30: [5, 5]}), bins(0.5, 0.5), columns) is None
