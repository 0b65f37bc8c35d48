"""Atomic file writes: readers see either the complete old file or the complete new one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pmmds_core.errors import InputFileError

# The suffix of a file that is being written. A killed process may leave such a file behind.
UNFINISHED = ".tmp"


def check_writable(path: Path, not_over: Sequence[Path]) -> None:
    """Check an output path before the work starts.

    Raises:
        InputFileError: the path's folder does not exist, or the path is a folder or one of the input files.
    """
    if not path.absolute().parent.is_dir():
        raise InputFileError(f"{path} cannot be written: its folder does not exist.", next_step="Create the folder.")
    if path.is_dir():
        raise InputFileError(f"{path} cannot be written: it is a folder.", next_step="Specify a file in this folder.")
    if any(path.exists() and other.exists() and path.samefile(other) for other in not_over):
        raise InputFileError(f"{path} is one of the input files.", next_step="Write to another file.")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path. The file there replaces `path` when the block ends, or is removed if the block raises.

    Raises:
        OSError: the file cannot be written. `path` is unchanged.
    """
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}{UNFINISHED}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Replace the file at `path`. Raises OSError and leaves `path` unchanged if it cannot be written.

    Args:
        path: the file to write.
        content: its complete content.
        mode: permission bits, before the umask is applied.
    """
    with replacing(path) as unfinished:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
