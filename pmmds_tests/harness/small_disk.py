"""Mounts a small separate file system for tests of full disks, and fills it."""

from __future__ import annotations

import errno
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """Yield a new folder on a file system of `size`, such as 64k. Skip the test if this user may not mount one."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_disk(folder: Path) -> Path:
    """Extend a file until the disk is full. Another call fills the space that was freed in the meantime."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            _write_until_full(file.write, bytes(size))
    return filler


def _write_until_full(write: Callable[[bytes], int], block: bytes) -> None:
    try:
        while write(block):
            pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
