"""Limits of a spool and the entries of its queue. Not here: the queue itself (spool.py)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pmmds_serving.spool.segment import Segment, SpoolWriteError

SEGMENT_BYTES = 4_000_000


class SpoolFullError(SpoolWriteError):
    """Raised if the spool is full and PMMDS_SPOOL_WHEN_FULL is `reject`."""


@dataclass(frozen=True)
class SpoolLimits:
    """Maximum bytes of a worker's unshipped records, the policy at that limit, and maximum bytes of a log segment."""

    max_bytes: int = 1_000_000_000
    when_full: Literal["reject", "drop_oldest"] = "reject"
    segment_bytes: int = SEGMENT_BYTES


@dataclass(eq=False)
class SpoolPart:
    """A log segment in the queue; `start`: size of its header.

    The shipper may claim the segment once it is released.
    """

    segment: Segment
    start: int
    n_records: int = 0
    is_released: bool = False

    @property
    def path(self) -> Path:
        return self.segment.path

    @property
    def n_bytes(self) -> int:
        """Size of the segment's records in bytes."""
        return self.segment.size - self.start

    @property
    def is_empty(self) -> bool:
        return self.n_bytes == 0

    @property
    def is_gone(self) -> bool:
        """True if the shipper has moved the segment's rows to the database or set the segment aside."""
        return self.is_released and not self.path.exists()

    def release(self) -> None:
        """Sync the segment and unlock it for the shipper. If it raises OSError, the segment stays with this worker."""
        self.segment.sync()
        self.segment.close()
        self.is_released = True

    def drop(self) -> bool:
        """Delete the segment; False if the shipper has claimed it and will delete it after shipping."""
        if not self.is_released:
            with suppress(OSError):  # if the file remains, it is shipped after this worker has exited
                self.path.unlink(missing_ok=True)
            return True
        try:
            claimed = Segment.claim(self.path)
        except OSError:  # out of descriptors
            return False
        if claimed is not None:
            claimed.delete()
        return claimed is not None
