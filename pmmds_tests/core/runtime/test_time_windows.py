"""Boundaries of UTC hours and days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from pmmds_core.runtime.time_windows import daily_window_start, hourly_window, start_of_day, start_of_hour

# This is 23:30 UTC on the previous day.
NOW = datetime(2026, 3, 2, 1, 30, 12, 34, tzinfo=timezone(timedelta(hours=2)))


def test_hours_and_days_start_at_utc_boundaries() -> None:
    assert start_of_hour(NOW) == datetime(2026, 3, 1, 23, tzinfo=UTC)
    assert start_of_day(NOW) == datetime(2026, 3, 1, tzinfo=UTC)
    assert start_of_day(NOW).tzinfo is UTC


def test_an_hourly_window_includes_the_current_hour() -> None:
    start, end = hourly_window(NOW, 24)
    assert (start, end) == (datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))


def test_a_daily_window_ends_with_the_current_day() -> None:
    assert daily_window_start(NOW, 1) == start_of_day(NOW)
    assert daily_window_start(NOW, 2) == datetime(2026, 2, 28, tzinfo=UTC)
