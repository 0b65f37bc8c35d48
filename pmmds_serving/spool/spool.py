"""The spool: a worker's predictions that are not in the database yet, as a queue of log segments.

A record is written to the newest segment before its response is sent, so killing the process loses none. The worker
locks a segment while it writes to it; the shipper claims released and orphaned segments, ships and deletes them. Not
here: the file format (segment.py), threads (sync.py), the database (shipping/shipper.py).
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

# Re-exported for the modules that use a spool.
__all__ = ["SEGMENT_BYTES", "Spool", "SpoolFullError", "SpoolLimits", "SpoolWriteError"]

_NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})

log = get_logger("pmmds.serving.spool")


class Spool:
    """The spool of one worker. Appending and syncing may run in different threads."""

    def __init__(self, folder: Path, feature_names: Sequence[str], limits: SpoolLimits | None = None) -> None:
        """Raises HomeNotWritableError if the spool folder cannot be written."""
        self.folder = folder
        self.limits = limits or SpoolLimits()
        self.n_dropped = 0
        self.problem = ""  # the reason why records cannot be stored durably now; empty if they can
        self._feature_names = tuple(feature_names)
        # If the spool's limit is small, segments are smaller, so that dropping one loses fewer records.
        self._segment_bytes = max(1, min(self.limits.segment_bytes, self.limits.max_bytes // 4))
        self._name = uuid.uuid4().hex
        self._numbers = itertools.count()
        self._lock = threading.Lock()  # guards the queue; held for microseconds, or while a segment is created
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
            # The folder is kept open, so that syncing works even if the process is out of descriptors.
            self._folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._parts.append(self._new_part())
        except OSError as error:
            raise HomeNotWritableError(
                f"The spool folder {folder} cannot be written: {error}.",
                next_step="Set PMMDS_HOME to a writable folder with free space.",
            ) from None

    def append(self, records: Sequence[PredictionRecord]) -> None:
        """Record predictions, all or none.

        After SpoolWriteError, the predictions must not be returned to the client.
        """
        frames = encode_record(records[0]) if len(records) == 1 else b"".join(map(encode_record, records))
        n_bytes = len(frames)
        with self._lock:
            if self.problem or self._is_closed:
                raise SpoolWriteError(self.problem or "The worker has stopped.")
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
        """Number of bytes that had not been shipped to the database at the last `hand_over`."""
        return self._backlog

    @property
    def n_segments(self) -> int:
        return len(self._parts)

    @property
    def is_full(self) -> bool:
        """True if a record was rejected and nothing was shipped since, or if the next large batch would be rejected."""
        most = self.limits.max_bytes
        is_near = self._backlog > most - min(most // 10, 500_000)
        return self.limits.when_full == "reject" and (self._has_refused or is_near)

    def sync(self) -> None:
        """Flush everything appended so far to disk. Takes milliseconds, so it is done for many records at once.

        Raises:
            OSError: the disk failed. Records are rejected until a new segment can be synced.
        """
        with self._lock:
            if self.problem and self._parts and not self._parts[-1].is_empty and not self._is_closed:
                # The kernel discards data that it could not write, so continue in a new file.
                self._parts.append(self._new_part())
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
            self.problem = f"The spool cannot be synced to disk: {error.strerror}."
            raise
        self.problem = ""

    def hand_over(self) -> None:
        """Remove shipped segments from the queue and release full ones; release the newest only if no other is waiting.

        While the database is unavailable the newest segment keeps growing, so an outage creates few files.
        Raises OSError.
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
        """Release everything appended so far. Raises OSError if the disk failed."""
        with self._releasing:
            if not self._parts or self._parts[-1].is_released or self._parts[-1].is_empty:
                self._release(list(self._parts)[:-1])
                return
            try:
                fresh = self._new_part()  # created outside the lock, so that appending does not wait
            except OSError as error:
                if error.errno in _NO_DESCRIPTORS:  # the newest segment keeps growing and is released later
                    self._release(list(self._parts)[:-1])
                    return
                fresh = None  # disk full: release the rows anyway; the next append reports the error
            with self._lock:
                written = list(self._parts)
                if fresh is not None:
                    self._parts.append(fresh)
                elif self._parts:
                    # No more records are appended to the newest segment.
                    self._parts[-1].is_released = True
            self._release(written)

    def close(self) -> None:
        """Delete an empty segment, release all other segments to the shipper, and reject further records."""
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
        """Remove shipped segments.

        The shipper takes the oldest first, so the search ends at the first segment that still exists.
        """
        while self._parts and self._parts[0].is_gone:
            self._forget(self._parts[0])

    def _forget(self, part: SpoolPart) -> None:
        self._parts.remove(part)
        self._backlog -= part.n_bytes
        self._has_refused = False

    def _new_part(self) -> SpoolPart:
        """Raises OSError."""
        segment = Segment.create(self.folder, f"{self._name}-{next(self._numbers):08d}", self._feature_names)
        self._folder_changed = True
        return SpoolPart(segment, segment.size)

    def _next_part(self) -> SpoolPart:
        """Return a new segment, or the newest one if it is empty or the process is out of descriptors."""
        newest = self._parts[-1] if self._parts else None
        if newest is not None and newest.is_empty and not newest.is_released:
            return newest
        try:
            self._parts.append(self._new_part())
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS and newest is not None and not newest.is_released:
                return newest  # this segment is already open, so records are not rejected for lack of descriptors
            raise SpoolWriteError(
                f"The prediction could not be written to the spool: {error.strerror}.",
                next_step="Free space on the disk of PMMDS_HOME.",
            ) from error
        return self._parts[-1]

    def _make_room(self, n_bytes: int) -> None:
        """Drop the oldest segments until `n_bytes` fit. Raises SpoolFullError."""
        self._forget_shipped()
        most = self.limits.max_bytes
        if self._backlog + n_bytes <= most:
            return
        may_drop = self.limits.when_full == "drop_oldest" and n_bytes <= most
        while may_drop and self._backlog + n_bytes > most:
            may_drop = self._drop_oldest()
        if not may_drop:
            self._has_refused = n_bytes <= most  # a batch that could never fit does not mark the spool as full
            raise SpoolFullError(
                f"{self._backlog:,} bytes wait for the database; the limit PMMDS_SPOOL_MAX_BYTES is {most:,}.",
                next_step="Restore the database; the spool then empties automatically.",
            )

    def _drop_oldest(self) -> bool:
        """Drop the oldest segment that the shipper has not claimed; False if it has claimed all of them."""
        self._next_part()  # starts a new segment, so that the newest can be dropped too
        for part in list(self._parts)[:-1]:
            is_gone = part.is_gone
            if is_gone or part.drop():
                self._forget(part)
                if not is_gone:
                    self._dropped.append(part.segment)
                    self._log_dropped(part)
                return True
        return False

    def _log_dropped(self, part: SpoolPart) -> None:
        self.n_dropped += part.n_records
        log.error("spool_dropped", file=part.path.name, n_records=part.n_records, n_dropped=self.n_dropped)
