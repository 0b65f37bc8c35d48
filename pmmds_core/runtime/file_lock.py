"""A lock file of this machine: of several processes that want to do one thing, one does it.

The kernel lets it go with its holder, however that ends. Keep out: locks of a database
(stores/lifecycle/promotion_lock.py).
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO


def lead(lock_file: Path) -> IO[str] | None:
    """The lock of the one that works, held until it is closed; None when another process has it.

    Raises:
        OSError: the file cannot be written.
    """
    lock = lock_file.open("a")  # what the holder wrote into it stays
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock
