"""The spool: a worker's answered predictions that are not in the database yet, as a sequence of segments.

A record is in the newest segment before its answer leaves, so a process that is killed loses none. A segment is locked
while its worker writes to it; released, the shipper's process takes it, ships it and deletes it, as it does with what a
dead worker left. Keep out: the file's format (segment.py), threads (sync.py), the database (shipping/shipper.py).
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
import uuid
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from pmmds_core.errors import HomeNotWritableError
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.runtime.private_folders import sync_folder
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_serving.spool.queue import SEGMENT_BYTES, SpoolFullError, SpoolLimits, SpoolPart
from pmmds_serving.spool.segment import Segment, SpoolWriteError, encode_record

# What others need of the segments to use a spool.
__all__ = ["SEGMENT_BYTES", "Spool", "SpoolFullError", "SpoolLimits", "SpoolWriteError"]

_NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})

log = get_logger("pmmds.serving.spool")


class Spool:
    """A worker's own segments. Appending and syncing may each be done by a thread of their own."""

    def __init__(self, folder: Path, feature_names: Sequence[str], limits: SpoolLimits | None = None) -> None:
        """Raises HomeNotWritableError."""
        self.folder = folder
        self.limits = limits or SpoolLimits()
        self.n_dropped = 0
        self.problem = ""  # why nothing can be kept durably now; empty when it can
        self._feature_names = tuple(feature_names)
        # A bound of a few megabytes has segments of its own size, so that dropping one leaves the others.
        self._segment_bytes = max(1, min(self.limits.segment_bytes, self.limits.max_bytes // 4))
        self._name = uuid.uuid4().hex
        self._numbers = itertools.count()
        self._lock = threading.Lock()  # of the queue; held for microseconds, and where a segment is made
        self._releasing = threading.Lock()
        self._parts: deque[SpoolPart] = deque()
        self._backlog = 0
        self._dropped: list[Segment] = []
        self._folder_changed = False
        self._has_refused = False
        self._is_closed = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)
            # Held, so that syncing needs no descriptor at a moment when there may be none.
            self._folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._parts.append(self._made())
        except OSError as error:
            raise HomeNotWritableError(
                f"The folder {folder}, where answered predictions are kept first, cannot be written: {error}.",
                next_step="Point PMMDS_HOME at a folder that can be written, with room.",
            ) from None

    def append(self, records: Sequence[PredictionRecord]) -> None:
        """Keep records, all or none. Raises SpoolWriteError: then they must not be answered."""
        frames = encode_record(records[0]) if len(records) == 1 else b"".join(map(encode_record, records))
        n_bytes = len(frames)
        with self._lock:
            if self.problem or self._is_closed:
                raise SpoolWriteError(self.problem or "The worker has ended.")
            if self._backlog + n_bytes > self.limits.max_bytes:
                self._make_room(n_bytes)
            newest = self._parts[-1] if self._parts else None
            if newest is None or newest.is_released or newest.segment.size + n_bytes > self._segment_bytes:
                newest = self._next_part()
            newest.segment.write(frames)
            newest.n_records += len(records)
            self._backlog += n_bytes

    @property
    def backlog_bytes(self) -> int:
        """Bytes that were not in the database when `hand_over` looked last."""
        return self._backlog

    @property
    def n_segments(self) -> int:
        return len(self._parts)

    @property
    def is_full(self) -> bool:
        """Whether it has refused a call and nothing was shipped since, or would refuse the next large one."""
        most = self.limits.max_bytes
        is_near = self._backlog > most - min(most // 10, 500_000)
        return self.limits.when_full == "reject" and (self._has_refused or is_near)

    def sync(self) -> None:
        """Make sure that everything appended so far survives a power cut. Takes milliseconds, so it is grouped.

        Raises:
            OSError: the disk does not keep it. Nothing is taken until another segment can be synced.
        """
        with self._lock:
            if self.problem and self._parts and not self._parts[-1].is_empty and not self._is_closed:
                self._parts.append(self._made())  # the kernel forgets what it could not write: go on elsewhere
            segments = [p.segment for p in self._parts if not p.is_released and (not p.is_empty or self.problem)]
            dropped, self._dropped = self._dropped, []
            folder_changed, self._folder_changed = self._folder_changed, False
        for segment in dropped:
            segment.close()
        try:
            for segment in segments:
                segment.sync()
            if folder_changed or self.problem:
                os.fsync(self._folder_fd)
        except OSError as error:
            self._folder_changed = True
            self.problem = f"The disk of the spool does not keep what is written: {error.strerror}."
            raise
        self.problem = ""

    def hand_over(self) -> None:
        """Forget what was shipped; release what is written to its end, and the newest when the shipper has no other.

        While the database is away the newest segment grows, so an outage makes few files. Raises OSError.
        """
        with self._lock:
            self._forget_shipped()
            is_waiting = any(part.is_released for part in self._parts)
        if is_waiting:
            with self._releasing:
                self._release(list(self._parts)[:-1])
        else:
            self.seal()

    def seal(self) -> None:
        """Release everything appended so far, now. Raises OSError: the disk does not keep it."""
        with self._releasing:
            if not self._parts or self._parts[-1].is_released or self._parts[-1].is_empty:
                self._release(list(self._parts)[:-1])
                return
            try:
                fresh = self._made()  # beside the lock, so that no answer waits for it
            except OSError as error:
                if error.errno in _NO_DESCRIPTORS:  # the newest goes on growing, and is released later
                    self._release(list(self._parts)[:-1])
                    return
                fresh = None  # no room: the rows must go all the same, and the next record will say so
            with self._lock:
                written = list(self._parts)
                if fresh is not None:
                    self._parts.append(fresh)
                elif self._parts:
                    # Nobody appends to it any more, though it is the newest.
                    self._parts[-1].is_released = True
            self._release(written)

    def close(self) -> None:
        """Delete what is empty, and leave the rest, synced, to the shipper. Nothing can be appended any more."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            newest = self._parts[-1] if self._parts else None
            if newest is not None and newest.is_empty:
                self._parts.pop().segment.delete()
            for segment in self._dropped:
                segment.close()
        with self._releasing:
            self._release(list(self._parts))
        os.close(self._folder_fd)

    def _release(self, parts: Sequence[SpoolPart]) -> None:
        for part in parts:
            if part.segment.is_open:
                part.release()

    def _forget_shipped(self) -> None:
        """The shipper takes a worker's oldest first, so the first that is there ends the search."""
        while self._parts and self._parts[0].is_gone:
            self._forget(self._parts[0])

    def _forget(self, part: SpoolPart) -> None:
        self._parts.remove(part)
        self._backlog -= part.n_bytes
        self._has_refused = False

    def _made(self) -> SpoolPart:
        """Raises OSError."""
        segment = Segment.create(self.folder, f"{self._name}-{next(self._numbers):08d}", self._feature_names)
        self._folder_changed = True
        return SpoolPart(segment, segment.size)

    def _next_part(self) -> SpoolPart:
        """A new segment unless the newest is empty: then what does not fit makes one larger than usual.

        The newest too while the process has no descriptor for another.
        """
        newest = self._parts[-1] if self._parts else None
        if newest is not None and newest.is_empty and not newest.is_released:
            return newest
        try:
            self._parts.append(self._made())
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS and newest is not None and not newest.is_released:
                return newest  # it is open: a record is never refused for want of a descriptor
            raise SpoolWriteError(
                f"The prediction could not be kept in the spool: {error.strerror}.",
                next_step="Make room on the disk of PMMDS_HOME.",
            ) from error
        return self._parts[-1]

    def _make_room(self, n_bytes: int) -> None:
        """Give up segments from the oldest on until so much fits. Raises SpoolFullError."""
        self._forget_shipped()
        most = self.limits.max_bytes
        if self._backlog + n_bytes <= most:
            return
        may_drop = self.limits.when_full == "drop_oldest" and n_bytes <= most
        while may_drop and self._backlog + n_bytes > most:
            may_drop = self._drop_oldest()
        if not may_drop:
            self._has_refused = n_bytes <= most  # what never fits does not make it full
            raise SpoolFullError(
                f"{self._backlog:,} bytes wait for the database already, and PMMDS_SPOOL_MAX_BYTES is {most:,}.",
                next_step="Bring the database back; the spool empties by itself.",
            )

    def _drop_oldest(self) -> bool:
        """Give up the first that the shipper does not have now; False when it has all that there are."""
        self._next_part()  # the newest may be the one
        for part in list(self._parts)[:-1]:
            is_gone = part.is_gone
            if is_gone or part.give_up():
                self._forget(part)
                if not is_gone:
                    self._dropped.append(part.segment)
                    self._tell_dropped(part)
                return True
        return False

    def _tell_dropped(self, part: SpoolPart) -> None:
        self.n_dropped += part.n_records
        log.error("spool_dropped", file=part.path.name, n_records=part.n_records, n_dropped=self.n_dropped)
