"""Ticks of time axes are at points or round times, labels are unique, and no point lies on an edge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pmmds_core.reports.time_axis import MAX_TICKS, day_axis, minute_axis, roomy_axis

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def days(*before: int) -> list[datetime]:
    return [NOON - timedelta(days=n) for n in before]


def test_one_day_has_one_tick_in_the_middle() -> None:
    axis = day_axis(days(0, 0, 0))
    assert axis.ticks == ((NOON, "28 Nov"),)
    assert NOON - axis.low == axis.high - NOON > timedelta(0)


def test_the_ticks_of_two_days_are_equally_far_from_the_edges() -> None:
    axis = day_axis(days(1, 0))
    assert [label for _, label in axis.ticks] == ["27 Nov", "28 Nov"]
    assert axis.ticks[0][0] - axis.low == axis.high - axis.ticks[1][0]


@pytest.mark.parametrize("n_days", [*range(3, 40), 60, 90, 180, 365, 400, 800, 3000])
def test_the_axis_of_any_number_of_days_has_a_few_unique_ticks(n_days: int) -> None:
    axis = day_axis(days(*range(n_days)))
    labels = [label for _, label in axis.ticks]
    assert 2 <= len(labels) <= MAX_TICKS
    assert len(set(labels)) == len(labels)
    assert all(at in pd.date_range(NOON - timedelta(days=n_days - 1), NOON) for at, _ in axis.ticks)
    gaps = pd.Series([at for at, _ in axis.ticks]).diff().dropna().dt.days
    assert gaps.max() - gaps.min() <= 4, "months differ in length by up to three days and quarters by four"


def test_four_hundred_days_are_labeled_by_month_and_year() -> None:
    labels = [label for _, label in day_axis(days(*range(400))).ticks]
    assert labels == ["Jan 2026", "Apr 2026", "Jul 2026", "Oct 2026"]


def test_the_newest_day_is_labeled_and_overlapping_labels_are_dropped() -> None:
    axis = day_axis(days(30, 29, 3, 0))
    assert [label for _, label in axis.ticks] == ["30 Oct", "28 Nov"]


def test_labels_show_the_year_if_the_days_span_two_years() -> None:
    axis = day_axis([datetime(2025, 12, 31, 12, tzinfo=UTC), datetime(2026, 1, 1, 12, tzinfo=UTC)])
    assert [label for _, label in axis.ticks] == ["31 Dec 2025", "01 Jan 2026"]


@pytest.mark.parametrize("hours", [1, 2, 5, 12, 24, 48, 24 * 30, 24 * 400])
def test_hourly_times_have_a_few_unique_ticks_within_the_range(hours: int) -> None:
    axis = minute_axis([NOON - timedelta(hours=h) for h in range(hours)])
    labels = [label for _, label in axis.ticks]
    assert 1 <= len(labels) <= MAX_TICKS
    assert len(set(labels)) == len(labels)
    assert all(axis.low < at < axis.high for at, _ in axis.ticks)


def test_times_within_the_same_minute_have_one_label() -> None:
    axis = minute_axis([NOON, NOON + timedelta(seconds=5), NOON + timedelta(seconds=9)])
    assert [label for _, label in axis.ticks] == ["28 Nov 12:00"]


def test_an_axis_with_room_has_ticks_over_its_whole_range() -> None:
    axis = roomy_axis([NOON, NOON + timedelta(hours=8)], timedelta(hours=12))
    assert (axis.low, axis.high) == (NOON - timedelta(hours=12), NOON + timedelta(hours=20))
    assert [at - axis.low for at, _ in axis.ticks] == [timedelta(hours=6 * i) for i in range(6)]
