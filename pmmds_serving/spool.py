"""The spool: a worker's answered predictions that are not in the database yet, as a sequence of segments.

A record is in the newest segment before its answer leaves, so a process that is killed loses none. Segments are shipped
from the oldest on and deleted when they are. They stay locked while their worker lives; what a dead worker left,
another one adopts. Keep out: the file's format (segment.py), threads (spool_sync.py), the database (shipper.py).
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pmmds_core.errors import HomeNotWritableError
from pmmds_core.stores.prediction_log import PredictionRecord
from pmmds_core.telemetry import get_logger
from pmmds_serving.segment import (
    DAMAGED_SUFFIX,
    SUFFIX,
    Batch,
    Segment,
    SpoolWriteError,
    encode_record,
    remove_unfinished,
    sync_folder,
)
from pmmds_serving.spool_parts import SEGMENT_BYTES, SpoolFullError, SpoolLimits, SpoolPart

# What others need of the segments to use a spool.
__all__ = ["SEGMENT_BYTES", "SUFFIX", "Batch", "Spool", "SpoolFullError", "SpoolLimits", "SpoolWriteError"]


log = get_logger("pmmds.serving.spool")


class Spool:
    """A worker's own segments. Appending, shipping and syncing may each be done by a thread of their own."""

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
        self._n_made = 0
        self._lock = threading.Lock()
        self._parts: deque[SpoolPart] = deque()
        self._backlog = 0
        self._in_flight: tuple[SpoolPart, int] | None = None
        self._dropped: list[Segment] = []
        self._folder_changed = False
        self._has_refused = False
        self._is_closed = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sync_folder(folder.parent)
            self._begin_segment()
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
            newest = self._parts[-1]
            if newest.segment.size + n_bytes > self._segment_bytes:
                newest = self._next_segment()
            newest.segment.write(frames)
            newest.n_left += len(records)
            self._backlog += n_bytes

    @property
    def backlog_bytes(self) -> int:
        """Bytes that are not in the database yet."""
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

    def next_batch(self, n_frames: int) -> Batch | None:
        """The oldest frames that are not shipped; None when there are none. Damaged segments are set aside."""
        while (part := self._oldest()) is not None:
            batch = part.segment.read(part.shipped, n_frames)
            if not batch.n_frames:
                self._set_aside(part)
            elif self._takes_off(part, batch.n_frames):
                return batch
        return None

    def mark_shipped(self, batch: Batch) -> None:
        """What `next_batch` gave last is somewhere safe: it is not read again, and a segment at its end is deleted."""
        with self._lock:
            assert self._in_flight is not None
            part, n_frames = self._in_flight
            self._in_flight = None
            self._has_refused = False
            if part in self._parts:
                self._backlog -= batch.end - part.shipped
                part.n_left -= n_frames
            part.shipped = batch.end
            done = self._take_finished()
        for segment in done:
            segment.delete()

    def sync(self) -> None:
        """Make sure that everything appended so far survives a power cut. Takes milliseconds, so it is grouped.

        Raises:
            OSError: the disk does not keep it. Nothing is taken until another segment can be synced.
        """
        with self._lock:
            if self.problem and not self._parts[-1].is_empty and not self._is_closed:
                self._begin_segment()  # the kernel forgets what it could not write: what comes next goes elsewhere
            segments = [part.segment for part in self._parts if part.bytes_left or self.problem]
            dropped, self._dropped = self._dropped, []
            folder_changed, self._folder_changed = self._folder_changed, False
        for segment in dropped:
            segment.close()
        try:
            for segment in segments:
                segment.sync()
            if folder_changed or self.problem:
                sync_folder(self.folder)
        except OSError as error:
            self._folder_changed = True
            self.problem = f"The disk of {self.folder} does not keep what is written: {error.strerror}."
            raise
        self.problem = ""

    def abandoned(self) -> Iterator[Segment]:
        """Segments of workers that are gone, each locked for this process; a worker's oldest first."""
        remove_unfinished(self.folder)
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            if not path.name.startswith(self._name):
                found = Segment.adopt(path)
                if found is not None:
                    yield found

    def close(self) -> None:
        """Delete what is shipped, and leave the rest, synced, to be adopted. Nothing can be appended any more."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            for part in self._parts:
                if part.bytes_left:
                    part.segment.sync()
                    part.segment.close()
                else:
                    part.segment.delete()
            for segment in self._dropped:
                segment.close()

    def _takes_off(self, part: SpoolPart, n_frames: int) -> bool:
        """False when the segment was given up, and its rows counted, while it was read."""
        with self._lock:
            is_kept = part in self._parts
            self._in_flight = (part, n_frames) if is_kept else None
            return is_kept

    def _oldest(self) -> SpoolPart | None:
        """The first segment with something to ship. What the last batch was of and is dropped since, is lost now."""
        with self._lock:
            if self._in_flight is not None and self._in_flight[0] not in self._parts:
                self._tell_dropped(self._in_flight[0].segment, self._in_flight[1])
            self._in_flight = None
            done = self._take_finished()
            found = self._parts[0] if self._parts[0].bytes_left else None
        for segment in done:
            segment.delete()
        return found

    def _take_finished(self) -> list[Segment]:
        done = []
        while len(self._parts) > 1 and not self._parts[0].bytes_left:
            done.append(self._parts.popleft().segment)
        return done

    def _begin_segment(self) -> SpoolPart:
        """Raises OSError."""
        segment = Segment.create(self.folder, f"{self._name}-{self._n_made:08d}", self._feature_names)
        self._n_made += 1
        self._folder_changed = True
        part = SpoolPart(segment, segment.size, segment.size)
        self._parts.append(part)
        return part

    def _next_segment(self) -> SpoolPart:
        """A new segment unless the newest is empty: then what does not fit makes one larger than usual."""
        newest = self._parts[-1]
        if newest.is_empty:
            return newest
        try:
            return self._begin_segment()
        except OSError as error:
            raise SpoolWriteError(
                f"The prediction could not be kept in {self.folder}: {error.strerror}.",
                next_step="Make room on the disk of PMMDS_HOME.",
            ) from error

    def _make_room(self, n_bytes: int) -> None:
        """Give up segments from the oldest on until so much fits. Raises SpoolFullError."""
        most = self.limits.max_bytes
        if self.limits.when_full == "reject" or n_bytes > most:
            self._has_refused = n_bytes <= most  # what never fits does not make it full
            raise SpoolFullError(
                f"{self._backlog:,} bytes wait for the database already, and PMMDS_SPOOL_MAX_BYTES is {most:,}.",
                next_step="Bring the database back; the spool empties by itself.",
            )
        while self._backlog + n_bytes > most:
            if len(self._parts) == 1:
                self._next_segment()
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        part = self._parts.popleft()
        self._backlog -= part.bytes_left
        # What is on its way to the database now is counted when it is known whether it arrived.
        moving = self._in_flight[1] if self._in_flight is not None and self._in_flight[0] is part else 0
        with suppress(OSError):  # a file that stays is shipped by whoever adopts it
            part.segment.path.unlink(missing_ok=True)
        self._dropped.append(part.segment)
        self._tell_dropped(part.segment, part.n_left - moving)

    def _tell_dropped(self, segment: Segment, n_records: int) -> None:
        if n_records:
            self.n_dropped += n_records
            log.error("spool_dropped", file=segment.path.name, n_records=n_records, n_dropped=self.n_dropped)

    def _set_aside(self, part: SpoolPart) -> None:
        """A segment that cannot be read on is kept for a person; the ones behind it are shipped."""
        with self._lock:
            if part not in self._parts:
                return
            if len(self._parts) == 1:
                self._begin_segment()
            self._parts.remove(part)
            self._backlog -= part.bytes_left
            self._has_refused = False
        kept = part.segment.set_aside(DAMAGED_SUFFIX)
        log.error("spool_damaged", file=kept.name, damaged_at_byte=part.shipped, n_records=part.n_left)
