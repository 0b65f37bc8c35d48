"""Atomic file writes: readers see the old file or the new one, never half of one. Keep out: what is in the files."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pmmds_core.errors import InputFileError

# Ends the name of a file that is being written; a process that was killed may leave one behind.
UNFINISHED = ".tmp"


def check_writable(path: Path, not_over: Sequence[Path]) -> None:
    """Check an output path before any work is done.

    Raises:
        InputFileError: its folder does not exist, it is a folder itself, or it is one of the input files.
    """
    if not path.absolute().parent.is_dir():
        raise InputFileError(f"{path} cannot be written: its folder does not exist.", next_step="Create the folder.")
    if path.is_dir():
        raise InputFileError(f"{path} cannot be written: it is a folder.", next_step="Name a file in it.")
    if any(path.exists() and other.exists() and path.samefile(other) for other in not_over):
        raise InputFileError(f"{path} is one of the input files.", next_step="Write to another file.")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A new path beside `path`, whose file replaces it when the block ends and is removed when the block raises.

    Raises:
        OSError: the file cannot be written; `path` is as it was.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}{UNFINISHED}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Replace the file at `path`. Raises OSError; then `path` is as it was.

    Args:
        path: where the file will be.
        content: all of it.
        mode: permission bits, from which the umask takes away.
    """
    with replacing(path) as unfinished:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
