"""The range and the tick labels of a time axis.

Labels are never repeated, even for one or two points, gaps and several years. They replace the labels of Vega, which
divides the range evenly, so that an axis of two days has five ticks with only two different labels. All functions are
pure. Not here: the designs of charts (chart_designs.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MAX_TICKS = 6
DAY, NOON = timedelta(days=1), timedelta(hours=12)
# The fraction of the range that is left free on each side, so that no point lies on the edge.
_MARGIN = 0.02
_STEPS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 30, 60, 180, 360, 720))
_DAY_STEPS, _MONTH_STEPS = (1, 2, 3, 4, 5, 7, 10, 14), (1, 3, 6, 12, 24, 60)
_MINUTE, _DATE, _DATE_OF_YEAR, _MONTH = "%d %b %H:%M", "%d %b", "%d %b %Y", "%b %Y"


@dataclass(frozen=True)
class TimeAxis:
    """A time axis.

    `low` and `high` are the range of the axis. `ticks` has pairs of time and label in ascending order, with distinct
    labels.
    """

    low: datetime
    high: datetime
    ticks: tuple[tuple[datetime, str], ...]


def day_axis(days: Sequence[datetime]) -> TimeAxis:
    """Return the axis for daily values. The time of each value is noon of its UTC day."""
    return _axis(days, NOON, offset=NOON, by_day=True)


def minute_axis(times: Sequence[datetime]) -> TimeAxis:
    """Return the axis for values at arbitrary times, in UTC."""
    return _axis(times, timedelta(minutes=30), offset=timedelta(0), by_day=False)


def _axis(times: Sequence[datetime], least: timedelta, *, offset: timedelta, by_day: bool) -> TimeAxis:
    distinct = sorted({t.astimezone(UTC) for t in times}) or [datetime(1970, 1, 1, tzinfo=UTC) + offset]
    span = distinct[-1] - distinct[0]
    margin = max(span * _MARGIN, least if by_day or not span else timedelta(0))
    if len(distinct) <= MAX_TICKS:
        marked, pattern = _spaced(distinct), _DATE if by_day else _MINUTE
    else:
        marked, pattern = _regular(distinct[0], distinct[-1], offset, by_day=by_day)
    return TimeAxis(distinct[0] - margin, distinct[-1] + margin, tuple(_labeled(marked, pattern)))


def _spaced(times: Sequence[datetime]) -> list[datetime]:
    """Select the newest time and earlier ones that leave room for their labels."""
    room = (times[-1] - times[0]) / MAX_TICKS
    kept = [times[-1]]
    for at in reversed(times[:-1]):
        if kept[-1] - at >= room:
            kept.append(at)
    return kept[::-1]


def _regular(first: datetime, last: datetime, offset: timedelta, *, by_day: bool) -> tuple[list[datetime], str]:
    """Return round times at the smallest step that gives at most MAX_TICKS ticks, and the format of their labels."""
    for step in () if by_day else _STEPS:
        ticks = list(_every(first, last, step))
        if len(ticks) <= MAX_TICKS:
            return ticks, _MINUTE
    for n_days in _DAY_STEPS:
        ticks = list(_days_before(first, last, n_days, offset))[::-1]
        if len(ticks) <= MAX_TICKS:
            return ticks, _DATE
    months = [list(_every_months(first, last, n, offset)) for n in _MONTH_STEPS]
    return next((ticks for ticks in months if len(ticks) <= MAX_TICKS), months[-1][-MAX_TICKS:]), _MONTH


def _every(first: datetime, last: datetime, step: timedelta) -> Iterator[datetime]:
    """Yield the times in [first, last] that are multiples of `step` since 1970."""
    origin = datetime(1970, 1, 1, tzinfo=UTC)
    at = origin - ((origin - first) // step) * step
    while at <= last:
        yield at
        at += step


def _days_before(first: datetime, last: datetime, n_days: int, offset: timedelta) -> Iterator[datetime]:
    """Yield the newest day in [first, last] and every nth day before it, newest first."""
    at = (last - offset).replace(hour=0, minute=0, second=0, microsecond=0) + offset
    while at >= first:
        yield at
        at -= n_days * DAY


def _every_months(first: datetime, last: datetime, n_months: int, offset: timedelta) -> Iterator[datetime]:
    """Yield the first day of every nth calendar month in [first, last]."""
    for month in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        at = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC) + offset
        if month % n_months == 0 and first <= at <= last:
            yield at


def _labeled(times: Sequence[datetime], pattern: str) -> Iterator[tuple[datetime, str]]:
    """Label the times, including the year if there are several years. Repeated labels are omitted."""
    if pattern == _DATE and len({t.year for t in times}) > 1:
        pattern = _DATE_OF_YEAR
    seen: set[str] = set()
    for at in times:
        label = f"{at:{pattern}}"
        if label not in seen:
            seen.add(label)
            yield at, label
