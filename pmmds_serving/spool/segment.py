"""A segment: one file of the spool, open and locked by the one process that writes, ships or looks after it.

A file is a header frame, then one frame a record: length and CRC-32 (little-endian), then MessagePack. What a crash cut
off in the middle of a frame was never answered. Keep out: which segment is written or shipped when (spool.py).
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import uuid
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pmmds_core.errors import StoreError
from pmmds_core.stores.predictions.log import PredictionRecord

SUFFIX = ".spool"
# A segment that is being made. Whoever looks for `*.spool` does not see it.
NEW_SUFFIX = ".spool-new"
DAMAGED_SUFFIX = ".damaged"
READ_BYTES = 1 << 18
_CREATE_TRIES = 20
_FRAME = struct.Struct("<II")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(PredictionRecord)


class SpoolWriteError(StoreError):
    """A prediction could not be kept, so it must not be answered."""


class SpoolHeader(msgspec.Struct, frozen=True):
    """Which features the records of a file have, in which order."""

    feature_names: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """Frames in the order they were written: records, and payloads that are no record.

    `place` names file and position of the first, `end` is the position after the last.
    """

    place: str
    records: list[PredictionRecord]
    undecodable: list[bytes]
    end: int

    @property
    def n_frames(self) -> int:
        return len(self.records) + len(self.undecodable)


def encode_record(record: PredictionRecord) -> bytes:
    """The frame of one record."""
    return framed(_encoder.encode(record))


def framed(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


class Segment:
    """One file. One thread may write while another reads and a third syncs; closing waits for both."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self._unsynced = False
        self._is_open = True
        self._in_use = threading.Lock()

    @classmethod
    def create(cls, folder: Path, name: str, feature_names: Sequence[str]) -> Segment:
        """A new segment with its header. It gets its name when it is locked, so no adopter ever sees it without.

        Raises:
            OSError: the folder cannot be written.
        """
        path = folder / f"{name}{SUFFIX}"
        header = framed(msgspec.msgpack.encode(SpoolHeader(tuple(feature_names))))
        for _ in range(_CREATE_TRIES):
            made = cls._make(path, header)
            if made is not None:
                return made
        raise FileExistsError(f"{path} is taken away again and again while it is made")

    @classmethod
    def _make(cls, path: Path, header: bytes) -> Segment | None:
        """None when a process that clears away unfinished files was between the opening and the lock."""
        unfinished = path.with_name(f"{path.stem}-{uuid.uuid4().hex[:8]}{NEW_SUFFIX}")
        fd = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_atomically(fd, header, 0)
            unfinished.rename(path)
        except (BlockingIOError, FileNotFoundError):
            os.close(fd)
            return None
        except OSError:
            unfinished.unlink(missing_ok=True)
            os.close(fd)
            raise
        made = cls(path, fd)
        made._unsynced = True
        return made

    @classmethod
    def adopt(cls, path: Path) -> Segment | None:
        """A file whose worker is gone; None when it lives, or another process was first."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            still_there = os.path.samestat(path.stat(), os.fstat(fd))  # not deleted or set aside before the lock
        except (BlockingIOError, FileNotFoundError):
            still_there = False
        if still_there:
            return cls(path, fd)
        os.close(fd)
        return None

    @property
    def size(self) -> int:
        """Bytes that were written whole."""
        return self._size

    @property
    def is_open(self) -> bool:
        """Whether this process has it, locked."""
        return self._is_open

    def write(self, frames: bytes) -> None:
        """Append whole, or not at all. Raises SpoolWriteError, for example when the disk is full."""
        try:
            _write_atomically(self._fd, frames, self._size)
        except OSError as error:
            with suppress(OSError):  # whole frames of a batch that is refused must not be adopted
                os.ftruncate(self._fd, self._size)
            raise SpoolWriteError(
                f"The prediction could not be kept in the spool: {error.strerror}.",
                next_step="Make room on the disk of PMMDS_HOME.",
            ) from error
        self._size += len(frames)
        self._unsynced = True

    def sync(self) -> None:
        """Make sure that what was written survives a power cut too; takes milliseconds. Raises OSError."""
        if not self._unsynced:
            return
        with self._in_use:
            if self._is_open:
                self._unsynced = False
                os.fdatasync(self._fd)

    def header(self) -> tuple[SpoolHeader, int] | None:
        """The header and the position after it; None when the file does not begin with one."""
        for payload, end in self._frames(0, self._size):
            try:
                return msgspec.msgpack.decode(payload, type=SpoolHeader), end
            except msgspec.DecodeError:
                return None
        return None

    def read(self, start: int, n_frames: int) -> Batch:
        """Up to `n_frames` from a position on; ends before the first that is cut off or damaged."""
        records: list[PredictionRecord] = []
        undecodable: list[bytes] = []
        end = start
        with self._in_use:
            for payload, after in self._frames(start, self._size if self._is_open else start):
                try:
                    records.append(_decoder.decode(payload))
                except (msgspec.DecodeError, ValueError, OverflowError):
                    undecodable.append(payload)
                end = after
                if len(records) + len(undecodable) == n_frames:
                    break
        return Batch(f"{self.path.name}:{start}", records, undecodable, end)

    def delete(self) -> None:
        """Remove the file, every record of which is somewhere else or given up."""
        self.path.unlink(missing_ok=True)
        self.close()

    def set_aside(self, suffix: str) -> Path:
        """Keep the file under a name that is not read again, and let go of it."""
        kept = self.path.with_name(self.path.name + suffix)
        self.path.rename(kept)
        self.close()
        return kept

    def close(self) -> None:
        """Let go of the file, so that another process adopts it when it is still there."""
        with self._in_use:
            if self._is_open:
                self._is_open = False
                os.close(self._fd)

    def _frames(self, start: int, end: int) -> Iterator[tuple[bytes, int]]:
        """Payloads and the position after each; ends at the first frame that is cut off or damaged."""
        position, chunk, at = start, b"", start
        while position + _FRAME.size <= end:
            offset = position - at
            if offset + _FRAME.size > len(chunk):
                chunk, at, offset = os.pread(self._fd, READ_BYTES, position), position, 0
            if len(chunk) < offset + _FRAME.size:
                return
            length, checksum = _FRAME.unpack_from(chunk, offset)
            after = position + _FRAME.size + length
            if offset + _FRAME.size + length > len(chunk) and after <= end:
                chunk, at, offset = os.pread(self._fd, max(READ_BYTES, _FRAME.size + length), position), position, 0
            payload = chunk[offset + _FRAME.size : offset + _FRAME.size + length]
            # After a power cut a file may end in zeros: an empty payload, whose CRC-32 is zero too.
            if not payload or len(payload) < length or zlib.crc32(payload) != checksum:
                return
            position = after
            yield payload, position


def abandoned(folder: Path) -> Iterator[Segment]:
    """Segments that no worker writes to, released or of one that is gone, each locked for this process.

    A worker's oldest come first.
    """
    remove_unfinished(folder)
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        found = Segment.adopt(path)
        if found is not None:
            yield found


def segments_with_records(folder: Path) -> list[Path]:
    """Files that hold more than their header, whoever has them; one that goes meanwhile is left out."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError), path.open("rb") as file:
            (length,) = struct.unpack("<I", file.read(4) or bytes(4))
            if path.stat().st_size > _FRAME.size + length:
                found.append(path)
    return found


def remove_unfinished(folder: Path) -> None:
    """Delete segments whose maker died before they had a name."""
    for path in folder.glob(f"*{NEW_SUFFIX}"):
        left = Segment.adopt(path)
        if left is not None:
            left.delete()


def _write_atomically(fd: int, data: bytes, position: int) -> None:
    written = os.pwrite(fd, data, position)
    while written < len(data):
        written += os.pwrite(fd, data[written:], position + written)
