"""Parses external timestamps (label files, HTTP and gRPC) by one set of rules.

Do not add another timestamp parser. Not here: time windows (time_windows.py), the settings for the range
(pmmds_core/config/loop_settings.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

# The pattern accepts ISO 8601, RFC 3339 and the formats of pandas, PostgreSQL and BigQuery. A time without a zone is
# UTC.
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?: ?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2}){0,2}))?)?"
)
_NUMBER = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]*)?(?:E[+-]?[0-9]+)?")
_EXPECTED = "an ISO 8601 timestamp such as 2026-03-01T12:00:00Z"


class InvalidTimestampError(ValueError):
    """Raised for a value that is not a timestamp in the accepted range. `expected` describes the accepted values."""

    def __init__(self, expected: str) -> None:
        super().__init__(f"expected {expected}")
        self.expected = expected


@dataclass(frozen=True)
class TimestampRange:
    """The range of accepted timestamps, from `earliest` (timezone-aware) to `max_ahead` after the current time."""

    earliest: datetime
    max_ahead: timedelta

    @classmethod
    def from_settings(cls, earliest: date, max_ahead_hours: float) -> TimestampRange:
        return cls(datetime(earliest.year, earliest.month, earliest.day, tzinfo=UTC), timedelta(hours=max_ahead_hours))

    def parse(self, raw: object, now: datetime) -> datetime:
        """Return the timestamp in UTC.

        Args:
            raw: ISO 8601 text or a datetime. A date means midnight, and a time without a zone is UTC. Numbers are
                rejected, because seconds and milliseconds cannot be distinguished reliably.
            now: the current time.

        Raises:
            InvalidTimestampError: the value is not a timestamp, or it is out of range.
        """
        timestamp = raw if isinstance(raw, datetime) else _from_text(raw)
        try:
            utc = timestamp.replace(tzinfo=UTC) if timestamp.tzinfo is None else timestamp.astimezone(UTC)
        except OverflowError:  # in UTC, the year is outside 1 to 9999
            raise InvalidTimestampError(self._range(now)) from None
        if not self.earliest <= utc <= now + self.max_ahead:
            raise InvalidTimestampError(self._range(now))
        return utc

    def _range(self, now: datetime) -> str:
        return f"a time from {self.earliest:%Y-%m-%d} to {now + self.max_ahead:%Y-%m-%dT%H:%M:%SZ}"


def _from_text(raw: object) -> datetime:
    text = raw.strip().upper() if isinstance(raw, str) else ""
    if _TIMESTAMP.fullmatch(text):
        try:
            return datetime.fromisoformat(re.sub(r" ?UTC$", "Z", text).replace(" Z", "Z").replace(" +", "+"))
        except ValueError:
            raise InvalidTimestampError(_EXPECTED) from None
    is_number = isinstance(raw, int | float) or _NUMBER.fullmatch(text)
    note = "; a number such as seconds or milliseconds since 1970 is not accepted" if is_number else ""
    raise InvalidTimestampError(f"{_EXPECTED}{note}")
