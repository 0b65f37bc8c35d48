"""Ids of requests that bring none. Keep out: what clients choose (predictor.py checks it)."""

from __future__ import annotations

import secrets
from datetime import datetime

from pmmds_core.stores.predictions.request_ids import uuid7_timestamp_prefix

_DRAWN_AT_ONCE = 256


class RequestIds:
    """UUIDs of version 7 (RFC 9562) in 32 hexadecimal digits: microseconds since 1970, then 62 random bits.

    They begin with the time, so the database adds each beside the one before: with random ids every row of a batch
    changes another page of the index. Python has them from 3.14 on; the operating system is asked once for many.
    """

    def __init__(self) -> None:
        self._endings: list[str] = []

    def new(self, answered_at: datetime) -> str:
        """An id that holds `answered_at`, which is aware."""
        if not self._endings:
            self._endings = _draw()
        return uuid7_timestamp_prefix(answered_at) + self._endings.pop()


def _draw() -> list[str]:
    """Variant and 62 random bits: 16 digits each."""
    drawn = secrets.token_hex(8 * _DRAWN_AT_ONCE)
    parts = (drawn[i : i + 16] for i in range(0, len(drawn), 16))
    return [f"{'89ab'[int(part[0], 16) % 4]}{part[1:]}" for part in parts]
