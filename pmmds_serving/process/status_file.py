"""The status file of a sidecar process: written by it, read by the workers. Keep out: what a status says."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from pmmds_core.runtime.atomic_write import write_atomically

Status = TypeVar("Status", bound=msgspec.Struct)


class StatusFile(Generic[Status]):
    """One JSON file that holds a struct of type `kind`."""

    def __init__(self, path: Path, kind: type[Status]) -> None:
        self._path = path
        self._kind = kind

    def read(self) -> Status | None:
        """None when there is no file, or another version of PMMDS wrote it."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=self._kind)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write(self, status: Status) -> None:
        """Replace the file atomically. Raises OSError."""
        write_atomically(self._path, msgspec.json.encode(status))
