"""Generates prediction ids. Not here: request ids of clients (predictor.py)."""

from __future__ import annotations

import secrets
from datetime import datetime

from pmmds_core.stores.predictions.request_ids import uuid7_timestamp_prefix

_DRAWN_AT_ONCE = 256


class RequestIds:
    """UUIDv7 (RFC 9562) as 32 hexadecimal digits: microseconds since 1970, then 62 random bits.

    The timestamp prefix keeps new rows together in the database index; random ids would touch another index page for
    each row. Python provides UUIDv7 only since 3.14. Random bits are drawn for many ids at once.
    """

    def __init__(self) -> None:
        self._endings: list[str] = []

    def new(self, answered_at: datetime) -> str:
        """Return a new id with the timestamp `answered_at`, which must have a time zone."""
        if not self._endings:
            self._endings = _draw()
        return uuid7_timestamp_prefix(answered_at) + self._endings.pop()


def _draw() -> list[str]:
    """Generate 16 digits per id: the variant and 62 random bits."""
    drawn = secrets.token_hex(8 * _DRAWN_AT_ONCE)
    parts = (drawn[i : i + 16] for i in range(0, len(drawn), 16))
    return [f"{'89ab'[int(part[0], 16) % 4]}{part[1:]}" for part in parts]
