"""What a spool is made of: its limits, and a segment's place in the queue. Keep out: the queue itself (spool.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pmmds_serving.segment import Segment, SpoolWriteError

SEGMENT_BYTES = 4_000_000


class SpoolFullError(SpoolWriteError):
    """The spool holds as much as it may, and the policy is to refuse."""


@dataclass(frozen=True)
class SpoolLimits:
    """Bytes of one worker's unshipped records, what happens beyond them, and bytes of a segment."""

    max_bytes: int = 1_000_000_000
    when_full: Literal["reject", "drop_oldest"] = "reject"
    segment_bytes: int = SEGMENT_BYTES


@dataclass(eq=False)
class SpoolPart:
    """A segment of the queue: records begin at `start`; shipped up to `shipped`, `n_left` records behind that."""

    segment: Segment
    start: int
    shipped: int
    n_left: int = 0

    @property
    def bytes_left(self) -> int:
        return self.segment.size - self.shipped

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever written to it."""
        return self.segment.size == self.start
