"""Limits of a spool and the entries of its queue. Not here: the queue itself (spool.py)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pmmds_serving.spool.segment import Segment, SpoolWriteError

SEGMENT_BYTES = 4_000_000


class SpoolFullError(SpoolWriteError):
    """The spool is full and PMMDS_SPOOL_WHEN_FULL is `reject`."""


@dataclass(frozen=True)
class SpoolLimits:
    """Maximum bytes of one worker's unshipped records, the policy when it is reached, and bytes of a log segment."""

    max_bytes: int = 1_000_000_000
    when_full: Literal["reject", "drop_oldest"] = "reject"
    segment_bytes: int = SEGMENT_BYTES


@dataclass(eq=False)
class SpoolPart:
    """A log segment in the queue; `start`: bytes of its header. The shipper may claim it once it is released."""

    segment: Segment
    start: int
    n_records: int = 0
    is_released: bool = False

    @property
    def path(self) -> Path:
        return self.segment.path

    @property
    def n_bytes(self) -> int:
        """Bytes of its records."""
        return self.segment.size - self.start

    @property
    def is_empty(self) -> bool:
        return self.n_bytes == 0

    @property
    def is_gone(self) -> bool:
        """True if the shipper has moved it to the database or set it aside."""
        return self.is_released and not self.path.exists()

    def release(self) -> None:
        """Sync and unlock it for the shipper. Raises OSError; the segment then stays with this worker."""
        self.segment.sync()
        self.segment.close()
        self.is_released = True

    def drop(self) -> bool:
        """Delete it. False if the shipper has claimed it, which deletes it after shipping."""
        if not self.is_released:
            with suppress(OSError):  # a remaining file is shipped after this worker has exited
                self.path.unlink(missing_ok=True)
            return True
        try:
            claimed = Segment.claim(self.path)
        except OSError:  # out of descriptors
            return False
        if claimed is not None:
            claimed.delete()
        return claimed is not None
