"""The spool: a worker's append-only file of answered predictions that are not in the database yet.

A record is in the file before its answer leaves, so a process that is killed loses none. The file stays locked while
its worker lives; what a dead worker left, another one adopts. Keep out: the database (shipper.py).

A file is a header frame, then one frame a record: length and CRC-32 (little-endian), then MessagePack. What a crash cut
off in the middle of a frame was never answered.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import uuid
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pmmds_core.errors import HomeNotWritableError, StoreError
from pmmds_core.stores.prediction_log import PredictionRecord

SUFFIX = ".spool"
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
    """Records from the file and the position after the last one, to read on from."""

    records: list[PredictionRecord]
    end: int


class SpoolFile:
    """One file, open and locked."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self._unsynced = False

    @classmethod
    def create(cls, folder: Path, feature_names: Sequence[str]) -> SpoolFile:
        """A new file of this process. Raises HomeNotWritableError."""
        path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file = cls(path, fd)
            file.write(_framed(msgspec.msgpack.encode(SpoolHeader(tuple(feature_names)))))
        except (OSError, SpoolWriteError) as error:
            raise HomeNotWritableError(
                f"The folder {folder}, where answered predictions are kept first, cannot be written: {error}.",
                next_step="Point PMMDS_HOME at a folder that can be written, with room.",
            ) from None
        return file

    @classmethod
    def adopt(cls, path: Path) -> SpoolFile | None:
        """A file whose worker is gone; None when it lives, or another process was first."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return None
        if os.fstat(fd).st_nlink == 0:  # shipped and deleted by another process between open and lock
            os.close(fd)
            return None
        return cls(path, fd)

    @property
    def size(self) -> int:
        """Bytes that were written whole."""
        return self._size

    def write(self, frame: bytes) -> None:
        """Append whole, or not at all. Raises SpoolWriteError, for example when the disk is full."""
        try:
            written = os.pwrite(self._fd, frame, self._size)
            while written < len(frame):
                written += os.pwrite(self._fd, frame[written:], self._size + written)
        except OSError as error:
            os.ftruncate(self._fd, self._size)
            raise SpoolWriteError(
                f"The prediction could not be kept in {self.path}: {error.strerror}.",
                next_step="Make room on the disk of PMMDS_HOME.",
            ) from error
        self._size += len(frame)
        self._unsynced = True

    def sync(self) -> None:
        """Make sure that what was written survives a power failure too; takes milliseconds, so it is grouped."""
        if self._unsynced:
            self._unsynced = False
            os.fdatasync(self._fd)

    def header(self) -> tuple[SpoolHeader, int] | None:
        """The header and the position after it; None when not even that was written whole."""
        for payload, end in self._frames(0, self._size):
            return msgspec.msgpack.decode(payload, type=SpoolHeader), end
        return None

    def read(self, start: int, n_records: int) -> Batch:
        """Up to `n_records` from a position on; ends before the first that is cut off, damaged or no record."""
        records: list[PredictionRecord] = []
        end = start
        for payload, after in self._frames(start, self._size):
            try:
                records.append(_decoder.decode(payload))
            except msgspec.DecodeError:
                break
            end = after
            if len(records) == n_records:
                break
        return Batch(records, end)

    def delete(self) -> None:
        """Remove the file, every record of which is in the database."""
        self.path.unlink(missing_ok=True)
        os.close(self._fd)

    def close(self) -> None:
        """Let go of the file, so that another process adopts it."""
        os.close(self._fd)

    def _frames(self, start: int, end: int) -> Iterator[tuple[bytes, int]]:
        """Payloads and the position after each; ends at the first frame that is cut off or damaged."""
        position = start
        while position + _FRAME.size <= end:
            length, checksum = _FRAME.unpack(os.pread(self._fd, _FRAME.size, position))
            payload = os.pread(self._fd, length, position + _FRAME.size)
            # After a power failure a file may end in zeros: an empty payload, whose CRC-32 is zero too.
            if not payload or len(payload) < length or zlib.crc32(payload) != checksum:
                return
            position += _FRAME.size + length
            yield payload, position


class Spool:
    """A worker's own spool: one file at a time, a new one when the old has grown and is shipped."""

    # A crash ships a file again from its start; a small file keeps that short.
    ROTATE_BYTES = 4_000_000

    def __init__(self, folder: Path, feature_names: Sequence[str]) -> None:
        self.folder = folder
        self._feature_names = tuple(feature_names)
        self._lock = threading.Lock()
        self._file = SpoolFile.create(folder, feature_names)
        self._shipped = self._file.size

    def append(self, records: Sequence[PredictionRecord]) -> None:
        """Keep records, all or none. Raises SpoolWriteError: then they must not be answered."""
        frames = b"".join(_framed(_encoder.encode(record)) for record in records)
        with self._lock:
            self._file.write(frames)

    @property
    def backlog_bytes(self) -> int:
        """Bytes that are not in the database yet."""
        return self._file.size - self._shipped

    def next_batch(self, n_records: int) -> Batch:
        """The oldest records that are not shipped, synced to the disk first; there must be some.

        Raises:
            StoreError: they are damaged.
        """
        self._file.sync()
        batch = self._file.read(self._shipped, n_records)
        if not batch.records:
            raise StoreError(
                f"{self._file.path} is damaged at byte {self._shipped:,}.",
                next_step="Check the disk of PMMDS_HOME; after a restart the unreadable rest is set aside.",
            )
        return batch

    def mark_shipped(self, batch: Batch) -> None:
        """The batch is in the database: it is not read again, and a grown file that is empty now is replaced."""
        self._shipped = batch.end
        if self._file.size < self.ROTATE_BYTES:
            return
        with self._lock:
            if self.backlog_bytes == 0:
                old, self._file = self._file, SpoolFile.create(self.folder, self._feature_names)
                self._shipped = self._file.size
                old.delete()

    def abandoned(self) -> Iterator[SpoolFile]:
        """Files of workers that are gone, each locked for this process."""
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            if path != self._file.path:
                found = SpoolFile.adopt(path)
                if found is not None:
                    yield found

    def close(self) -> None:
        """Delete the file when everything is shipped, else leave it to be adopted."""
        with self._lock:
            if self.backlog_bytes == 0:
                self._file.delete()
            else:
                self._file.close()


def _framed(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
