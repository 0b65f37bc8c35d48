"""Encodes a row's predicted_at in its prediction id, exact to the microsecond, and decodes it.

The id therefore identifies the row's daily partition. Not here: creating ids (pmmds_serving/prediction/request_ids.py).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

PREFIX_DIGITS = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Limit in milliseconds; later timestamps would overflow datetime.
_LAST = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp() * 1000)
_UUID7 = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}(-\d+)?", re.ASCII)


def uuid7_timestamp_prefix(timestamp: datetime) -> str:
    """Return the first 16 hexadecimal digits of an id with this aware timestamp.

    Milliseconds since 1970, the version, and the fraction of the millisecond in 4096ths (RFC 9562, section 6.2,
    method 3).
    """
    microseconds = round(timestamp.timestamp() * 1e6)
    return f"{microseconds // 1000:012x}7{microseconds % 1000 * 4096 // 1000:03x}"


def timestamp_of(request_id: str) -> datetime | None:
    """The timestamp of an id that is a UUID version 7, with or without a batch row's suffix; None for any other id.

    A client's random id may look like one. Also None if the timestamp would be in the year 9999 or later.
    """
    if _UUID7.fullmatch(request_id) is None:
        return None
    fraction = -(-int(request_id[13:16], 16) * 1000 // 4096)
    milliseconds = int(request_id[:12], 16)
    return _EPOCH + timedelta(milliseconds=milliseconds, microseconds=fraction) if milliseconds < _LAST else None
