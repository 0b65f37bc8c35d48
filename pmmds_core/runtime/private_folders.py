"""Folders for customer data, accessible only to their owner and synced to disk.

Not here: files (each store creates its own).
"""

from __future__ import annotations

import os
from pathlib import Path

_OWN_USER_ONLY = 0o700


def make_private(folder: Path) -> None:
    """Create a folder with mode 0700. An existing folder keeps its mode.

    Other users cannot reach the files in the folder, so the files themselves need no restrictions.

    Raises:
        OSError: the folder cannot be created.
    """
    try:
        folder.mkdir(mode=_OWN_USER_ONLY, exist_ok=True)
    except FileNotFoundError:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=_OWN_USER_ONLY, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Sync a folder to disk, so that created, renamed and deleted entries survive a power failure. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
