"""The instant inside a request id that the service made: to the microsecond the one its prediction is logged with.

So such an id names one row of a log that is partitioned by time. Keep out: making ids
(pmmds_serving/prediction/request_ids.py).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

STAMP_DIGITS = 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Milliseconds; later ones leave no room for a sum.
_LAST = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp() * 1000)
_UUID7 = re.compile(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}(-\d+)?", re.ASCII)


def stamp(instant: datetime) -> str:
    """The first 16 hexadecimal digits of an id of `instant`, which is aware.

    Milliseconds since 1970, the version, and the fraction of the millisecond in 4096ths (RFC 9562, section 6.2,
    method 3).
    """
    microseconds = round(instant.timestamp() * 1e6)
    return f"{microseconds // 1000:012x}7{microseconds % 1000 * 4096 // 1000:03x}"


def instant_of(request_id: str) -> datetime | None:
    """The instant of an id that is a UUID of version 7, or a row's of a batch; None for any other.

    A client's random id may look like one; None also when its instant would be in the year 9999 or later.
    """
    if _UUID7.fullmatch(request_id) is None:
        return None
    fraction = -(-int(request_id[13:16], 16) * 1000 // 4096)
    milliseconds = int(request_id[:12], 16)
    return _EPOCH + timedelta(milliseconds=milliseconds, microseconds=fraction) if milliseconds < _LAST else None
