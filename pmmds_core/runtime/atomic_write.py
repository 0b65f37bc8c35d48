"""Files that a command writes for a person: whole, or not at all. Keep out: what is in them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pmmds_core.errors import InputFileError


def check_writable(path: Path, not_over: Sequence[Path]) -> None:
    """Refuse a place before any work is done.

    Raises:
        InputFileError: its folder is not there, it is a folder itself, or it is one of the files that are read.
    """
    if not path.absolute().parent.is_dir():
        raise InputFileError(f"{path} cannot be written: its folder is not there.", next_step="Make the folder first.")
    if path.is_dir():
        raise InputFileError(f"{path} cannot be written: it is a folder.", next_step="Name a file in it.")
    if any(path.exists() and other.exists() and path.samefile(other) for other in not_over):
        raise InputFileError(f"{path} is one of the files that are compared.", next_step="Write to another file.")


def write_whole(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write beside `path`, then take its place. Raises OSError, and leaves what was there.

    Args:
        path: where the file will be.
        content: all of it.
        mode: permission bits; those of any new file when None.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        unfinished.chmod(_mode_of_new_files() if mode is None else mode)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _mode_of_new_files() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
