"""Dead letters: records that a reachable database rejects, stored in files for manual inspection.

One JSON line per record: `dead_at`, `error_type`, `feature_names` and `record`, or `raw` (base64) if the frame could
not be decoded. After a crash a record may occur twice, with the same request_id. The files contain customer data.
Not here: which records become dead letters (delivery.py).
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.runtime.private_folders import sync_folder
from pmmds_core.stores.predictions.log import PredictionRecord

FOLDER = "dead-letters"
SUFFIX = ".jsonl"
UNDECODABLE = "UndecodableFrame"
TAKEN = "RequestIdTaken"

log = get_logger("pmmds.serving.dead_letters")


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a dead letter file; `record.features` is in the order of `feature_names`."""

    dead_at: datetime
    error_type: str
    feature_names: tuple[str, ...] = ()
    record: PredictionRecord | None = None
    raw: bytes = b""


def dead_record(record: PredictionRecord, feature_names: Sequence[str], error: Exception) -> DeadLetter:
    return DeadLetter(datetime.now(UTC), type(error).__name__, tuple(feature_names), record)


def taken_record(record: PredictionRecord, feature_names: Sequence[str]) -> DeadLetter:
    """A record whose id belongs to another row of the prediction log."""
    return DeadLetter(datetime.now(UTC), TAKEN, tuple(feature_names), record)


def dead_frame(payload: bytes) -> DeadLetter:
    return DeadLetter(datetime.now(UTC), UNDECODABLE, raw=payload)


class DeadLetters:
    """The dead letters of a home. Each process writes its own file, which is created for the first dead letter."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.n_written = 0
        self._path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
        self._counting = threading.Lock()
        self._counted: dict[Path, tuple[int, int]] = {}  # file → number of bytes read so far, number of lines in them

    def write(self, letters: Sequence[DeadLetter]) -> None:
        """Write and sync dead letters, all or none. Raises OSError."""
        if not letters:
            return
        self.folder.mkdir(mode=0o700, exist_ok=True)
        lines = b"".join(msgspec.json.encode(letter) + b"\n" for letter in letters)
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _append_synced(fd, lines)
            sync_folder(self.folder)
        finally:
            os.close(fd)
        self.n_written += len(letters)
        kinds = sorted({letter.error_type for letter in letters})
        log.error("dead_letters", file=self._path.name, n_records=len(letters), error_types=kinds)

    def n_kept(self) -> int:
        """Number of dead letters in the folder, from all processes."""
        with self._counting:
            counted: dict[Path, tuple[int, int]] = {}
            for path in self.folder.glob(f"*{SUFFIX}"):
                with suppress(FileNotFoundError):
                    counted[path] = _count_on(path, *self._counted.get(path, (0, 0)))
            self._counted = counted
            return sum(n_lines for _, n_lines in counted.values())


def _append_synced(fd: int, lines: bytes) -> None:
    end = os.lseek(fd, 0, os.SEEK_END)
    try:
        written = 0
        while written < len(lines):
            written += os.write(fd, lines[written:])
        os.fsync(fd)
    except OSError:
        os.ftruncate(fd, end)
        raise


def _count_on(path: Path, n_bytes: int, n_lines: int) -> tuple[int, int]:
    """Count the bytes and lines of a file whose first `n_bytes` contain `n_lines` lines."""
    size = path.stat().st_size
    if size == n_bytes:
        return n_bytes, n_lines
    if size < n_bytes:  # edited by hand
        n_bytes = n_lines = 0
    with path.open("rb") as file:
        file.seek(n_bytes)
        rest = file.read()
    return n_bytes + len(rest), n_lines + rest.count(b"\n")
