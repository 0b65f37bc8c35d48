"""Status file of a sidecar process, which the workers read. Not here: the content of a status."""

from __future__ import annotations

from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from pmmds_core.runtime.atomic_write import write_atomically

Status = TypeVar("Status", bound=msgspec.Struct)


class StatusFile(Generic[Status]):
    """A JSON file that contains one struct of type `kind`."""

    def __init__(self, path: Path, kind: type[Status]) -> None:
        self._path = path
        self._kind = kind

    def read(self) -> Status | None:
        """Read the struct; None if there is no file, or if a different version of PMMDS wrote it."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=self._kind)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def write(self, status: Status) -> None:
        """Replace the file atomically. Raises OSError."""
        write_atomically(self._path, msgspec.json.encode(status))
