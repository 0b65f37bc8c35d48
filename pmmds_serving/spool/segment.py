"""Log segments: the files of the spool, each opened and locked by one process.

A file has a header frame and one frame per record: length and CRC-32 (little-endian), then MessagePack. A frame that
was cut off by a crash belongs to a prediction that was never returned. Not here: when segments are written and released
(spool.py) or shipped (shipping/).
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
# Suffix of a segment that is being created; `*.spool` does not match it.
NEW_SUFFIX = ".spool-new"
DAMAGED_SUFFIX = ".damaged"
READ_BYTES = 1 << 18
_CREATE_TRIES = 20
_FRAME = struct.Struct("<II")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(PredictionRecord)


class SpoolWriteError(StoreError):
    """Raised if a prediction could not be recorded; it must not be returned to the client."""


class SpoolHeader(msgspec.Struct, frozen=True):
    """Feature names of a file's records, in order."""

    feature_names: tuple[str, ...]


@dataclass(frozen=True)
class Batch:
    """Frames in the order they were written: records, and payloads that cannot be decoded.

    `place`: file name and position of the first frame. `end`: position after the last frame.
    """

    place: str
    records: list[PredictionRecord]
    undecodable: list[bytes]
    end: int

    @property
    def n_frames(self) -> int:
        return len(self.records) + len(self.undecodable)


def encode_record(record: PredictionRecord) -> bytes:
    """Encode one record as a frame."""
    return framed(_encoder.encode(record))


def framed(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


class Segment:
    """One segment file.

    Writing, reading and syncing may run in different threads; closing waits for reads and syncs.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self._unsynced = False
        self._is_open = True
        self._in_use = threading.Lock()

    @classmethod
    def create(cls, folder: Path, name: str, feature_names: Sequence[str]) -> Segment:
        """Create a segment with its header. It gets its final name once it is locked, so no other process can claim it.

        Raises:
            OSError: the folder cannot be written.
        """
        path = folder / f"{name}{SUFFIX}"
        header = framed(msgspec.msgpack.encode(SpoolHeader(tuple(feature_names))))
        for _ in range(_CREATE_TRIES):
            segment = cls._create_locked(path, header)
            if segment is not None:
                return segment
        raise FileExistsError(f"{path} was removed {_CREATE_TRIES} times while it was being created")

    @classmethod
    def _create_locked(cls, path: Path, header: bytes) -> Segment | None:
        """Create a segment; None if another process claimed the unfinished file before it was locked."""
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
        segment = cls(path, fd)
        segment._unsynced = True
        return segment

    @classmethod
    def claim(cls, path: Path) -> Segment | None:
        """Open and lock a released or orphaned file; None if it was deleted or another process has locked it."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The file may have been deleted or renamed before it was locked.
            is_same = os.path.samestat(path.stat(), os.fstat(fd))
        except (BlockingIOError, FileNotFoundError):
            is_same = False
        if is_same:
            return cls(path, fd)
        os.close(fd)
        return None

    @property
    def size(self) -> int:
        """Number of bytes that were written completely."""
        return self._size

    @property
    def is_open(self) -> bool:
        """True while this process has the segment open and locked."""
        return self._is_open

    def write(self, frames: bytes) -> None:
        """Append all frames or none. Raises SpoolWriteError, for example if the disk is full."""
        try:
            _write_atomically(self._fd, frames, self._size)
        except OSError as error:
            with suppress(OSError):  # remove the batch's complete frames, which must not be shipped
                os.ftruncate(self._fd, self._size)
            raise SpoolWriteError(
                f"The prediction could not be written to the spool: {error.strerror}.",
                next_step="Free space on the disk of PMMDS_HOME.",
            ) from error
        self._size += len(frames)
        self._unsynced = True

    def sync(self) -> None:
        """Flush to disk, so that the records survive a power failure. Takes milliseconds. Raises OSError."""
        if not self._unsynced:
            return
        with self._in_use:
            if self._is_open:
                self._unsynced = False
                os.fdatasync(self._fd)

    def header(self) -> tuple[SpoolHeader, int] | None:
        """Read the header and the position after it; None if there is no valid header."""
        for payload, end in self._frames(0, self._size):
            try:
                return msgspec.msgpack.decode(payload, type=SpoolHeader), end
            except msgspec.DecodeError:
                return None
        return None

    def read(self, start: int, n_frames: int) -> Batch:
        """Read up to `n_frames` from a position; stops before the first incomplete or damaged frame."""
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
        """Remove the file; its records must be shipped or dropped."""
        self.path.unlink(missing_ok=True)
        self.close()

    def set_aside(self, suffix: str) -> Path:
        """Rename the file so that it is not read again, and close it."""
        new_path = self.path.with_name(self.path.name + suffix)
        self.path.rename(new_path)
        self.close()
        return new_path

    def close(self) -> None:
        """Close and unlock the file, so that another process can claim it."""
        with self._in_use:
            if self._is_open:
                self._is_open = False
                os.close(self._fd)

    def _frames(self, start: int, end: int) -> Iterator[tuple[bytes, int]]:
        """Yield each payload and the position after it; stop at the first incomplete or damaged frame."""
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
            # After a power failure a file may end in zeros: an empty payload with CRC-32 zero.
            if not payload or len(payload) < length or zlib.crc32(payload) != checksum:
                return
            position = after
            yield payload, position


def claim_all(folder: Path) -> Iterator[Segment]:
    """Claim all segments that no worker writes to, released or orphaned; each worker's oldest segment comes first."""
    remove_unfinished(folder)
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        segment = Segment.claim(path)
        if segment is not None:
            yield segment


def segments_with_records(folder: Path) -> list[Path]:
    """Return segment files with at least one record, whether claimed or not. Deleted files are skipped."""
    paths = []
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError), path.open("rb") as file:
            (length,) = struct.unpack("<I", file.read(4) or bytes(4))
            if path.stat().st_size > _FRAME.size + length:
                paths.append(path)
    return paths


def remove_unfinished(folder: Path) -> None:
    """Delete unfinished segments whose creator has exited."""
    for path in folder.glob(f"*{NEW_SUFFIX}"):
        unfinished = Segment.claim(path)
        if unfinished is not None:
            unfinished.delete()


def _write_atomically(fd: int, data: bytes, position: int) -> None:
    written = os.pwrite(fd, data, position)
    while written < len(data):
        written += os.pwrite(fd, data[written:], position + written)
