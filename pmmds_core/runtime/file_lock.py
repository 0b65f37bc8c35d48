"""Exclusive lock files (`flock`).

Only one process on this machine can hold a lock, which the kernel releases when the process exits. Not here: database
locks (stores/lifecycle/promotion_lock.py).
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def try_lock_file(lock_file: Path) -> IO[str] | None:
    """Acquire the lock without waiting.

    Returns None if another process holds the lock. Closing the result releases the lock.

    Raises:
        OSError: the file cannot be written.
    """
    lock = lock_file.open("a")  # opening with "w" would truncate the holder's text
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


@contextmanager
def locked_file(lock_file: Path) -> Iterator[None]:
    """Wait for the lock and hold it for the duration of the block.

    Raises:
        OSError: the file cannot be written.
    """
    with lock_file.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
