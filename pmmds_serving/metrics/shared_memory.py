"""Reserves disk space for the counters that processes share. Not here: the counters (counters.py).

prometheus_client maps sparse files into memory: on a full disk, counting in an unallocated part kills the process with
SIGBUS. It uses existing files unchanged, so this module creates them filled with zeros.
"""

from __future__ import annotations

import os
from pathlib import Path

from pmmds_core.errors import HomeNotWritableError
from pmmds_serving.private_apis.prometheus_values import FILE_KINDS

# Twice the library's initial size; enough for about fifty pairs of version and endpoint per process.
RESERVED_BYTES = 1 << 17


def shared_folder() -> Path | None:
    """Folder of the shared counters, from the variable that BentoML sets for its workers; None if it is not set."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(folder) if folder else None


def reserve(folder: Path, pid: int) -> None:
    """Create the files of a new process; existing files are kept.

    Raises:
        HomeNotWritableError: the disk is full or the folder cannot be written.
    """
    try:
        for kind in FILE_KINDS:
            _write_zeros(folder / f"{kind}_{pid}.db")
    except OSError as error:
        raise HomeNotWritableError(
            f"The counters cannot be written in {folder}: {error.strerror}.",
            next_step="Free disk space, or set PMMDS_HOME to a writable folder.",
        ) from None


def _write_zeros(path: Path) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return
    with os.fdopen(fd, "wb", buffering=0) as file:
        left = RESERVED_BYTES
        try:
            while left:
                left -= file.write(bytes(left))
        except OSError:
            path.unlink()
            raise
