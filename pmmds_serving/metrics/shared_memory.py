"""Room on the disk for the counts that processes share, taken before the first is counted. Keep out: what is counted.

prometheus_client maps a file of each kind into memory and leaves it sparse: on a disk that fills up, the first count in
a new part of it ends the process with SIGBUS. A file that is there already, full of zeros, it uses as it is.
"""

from __future__ import annotations

import os
from pathlib import Path

from pmmds_core.errors import HomeNotWritableError
from pmmds_serving.private_apis.prometheus_values import FILE_KINDS

# Its own files begin with half of it. For about fifty versions and endpoints in a process's life.
RESERVED_BYTES = 1 << 17


def shared_folder() -> Path | None:
    """Where this process shares its counts: BentoML tells its workers by the library's own variable.

    None in a process that counts for itself.
    """
    told = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(told) if told else None


def reserve(folder: Path, pid: int) -> None:
    """Write the empty files of a process that has counted nothing yet; those that are there stay.

    Raises:
        HomeNotWritableError: there is no room.
    """
    try:
        for kind in FILE_KINDS:
            _write_zeros(folder / f"{kind}_{pid}.db")
    except OSError as error:
        raise HomeNotWritableError(
            f"There is no room for the counters in {folder}: {error.strerror}.",
            next_step="Free disk space, or point PMMDS_HOME at a folder that can be written.",
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
