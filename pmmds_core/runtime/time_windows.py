"""Boundaries of UTC hours and days, and windows of whole hours and days.

Not here: SQL that truncates timestamps (stores/database/dialects.py).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def start_of_hour(at: datetime) -> datetime:
    """Return the start of the UTC hour that contains a timezone-aware timestamp."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def start_of_day(at: datetime) -> datetime:
    """Return the start of the UTC day that contains a timezone-aware timestamp."""
    return start_of_hour(at).replace(hour=0)


def hourly_window(now: datetime, n_hours: int) -> tuple[datetime, datetime]:
    """Return [start, end) in whole hours.

    The hours are those that overlap the last `n_hours` hours, including the current hour.
    """
    current = start_of_hour(now)
    return current - n_hours * HOUR, current + HOUR


def daily_window_start(now: datetime, n_days: int) -> datetime:
    """Return the start of a window of `n_days` UTC days whose last day is that of `now`."""
    return start_of_day(now) - (n_days - 1) * DAY
