"""Ids of requests that bring none. Keep out: what clients choose (predicting.py checks it)."""

from __future__ import annotations

import secrets
import time

_DRAWN_AT_ONCE = 256


class RequestIds:
    """UUIDs of version 7 (RFC 9562) in 32 hexadecimal digits: milliseconds since 1970, then 74 random bits.

    They begin with the time, so the database adds each beside the one before: with random ids every row of a batch
    changes another page of the index. Python has them from 3.14 on; the operating system is asked once for many.
    """

    def __init__(self) -> None:
        self._endings: list[str] = []

    def new(self) -> str:
        if not self._endings:
            self._endings = _draw()
        return f"{time.time_ns() // 1_000_000:012x}{self._endings.pop()}"


def _draw() -> list[str]:
    """Version, 12 random bits, variant, 62 random bits: 20 digits each."""
    drawn = secrets.token_hex(10 * _DRAWN_AT_ONCE)
    parts = (drawn[i : i + 20] for i in range(0, len(drawn), 20))
    return [f"7{part[1:4]}{'89ab'[int(part[4], 16) % 4]}{part[5:]}" for part in parts]
