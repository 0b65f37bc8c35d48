"""Folders for customers' rows: nobody but their maker reads them, and names in them survive a power cut.

Keep out: files (each store makes its own).
"""

from __future__ import annotations

import os
from pathlib import Path

_OWN_USER_ONLY = 0o700


def make_private(folder: Path) -> None:
    """Make a folder that only this user may enter; one that is there keeps the rights that a person gave it.

    What lies within is shut off by it, so it needs no rights of its own.

    Raises:
        OSError: it cannot be made.
    """
    try:
        folder.mkdir(mode=_OWN_USER_ONLY, exist_ok=True)
    except FileNotFoundError:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=_OWN_USER_ONLY, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder survive a power cut. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
