"""Boundaries of UTC hours and days, and the windows made of them.

Not here: SQL that truncates timestamps (stores/database/dialects.py).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def start_of_hour(at: datetime) -> datetime:
    """The start of the UTC hour that contains an aware timestamp."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def start_of_day(at: datetime) -> datetime:
    """Midnight UTC of the day that contains an aware timestamp."""
    return start_of_hour(at).replace(hour=0)


def hourly_window(now: datetime, n_hours: int) -> tuple[datetime, datetime]:
    """[start, end) in whole hours: every hour that overlaps the last `n_hours` hours, including the current one."""
    current = start_of_hour(now)
    return current - n_hours * HOUR, current + HOUR


def daily_window_start(now: datetime, n_days: int) -> datetime:
    """Start of a window of `n_days` UTC days of which the day of `now` is the last."""
    return start_of_day(now) - (n_days - 1) * DAY
