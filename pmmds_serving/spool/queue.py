"""What a spool is made of: its limits, and a segment's place in the queue. Keep out: the queue itself (spool.py)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pmmds_serving.spool.segment import Segment, SpoolWriteError

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
    """A segment of the queue: `n_records` behind its header of `start` bytes. Released: the shipper may take it."""

    segment: Segment
    start: int
    n_records: int = 0
    is_released: bool = False

    @property
    def path(self) -> Path:
        return self.segment.path

    @property
    def n_bytes(self) -> int:
        """Of its records."""
        return self.segment.size - self.start

    @property
    def is_empty(self) -> bool:
        return self.n_bytes == 0

    @property
    def is_gone(self) -> bool:
        """Whether the shipper has moved it to the database, or set it aside."""
        return self.is_released and not self.path.exists()

    def release(self) -> None:
        """Unlock it, synced, for the shipper. Raises OSError: then it stays this worker's."""
        self.segment.sync()
        self.segment.close()
        self.is_released = True

    def give_up(self) -> bool:
        """Delete it; False while the shipper has it, who will do so when it is in the database."""
        if not self.is_released:
            with suppress(OSError):  # a file that stays is shipped when this worker is gone
                self.path.unlink(missing_ok=True)
            return True
        try:
            taken = Segment.adopt(self.path)
        except OSError:  # no descriptor is left
            return False
        if taken is not None:
            taken.delete()
        return taken is not None
