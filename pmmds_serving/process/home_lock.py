"""Lock of PMMDS_HOME: at most one service per home, because a second one would reset the shared counters.

A file lock that all processes of the service inherit; the kernel releases it when the last one exits.
Not here: workers of one service, which share the home (worker.py).
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.errors import AlreadyRunningError, HomeNotWritableError
from pmmds_core.runtime.file_lock import try_lock_file

LOCK_FILE = "serving.lock"
# Wait this long, because a supervisor may start a service while the previous one is still finishing its requests.
WAIT_SECONDS, POLL_SECONDS = 5.0, 0.1


def take_home(settings: Settings) -> IO[str]:
    """Acquire the lock of the home. It survives `exec` and is inherited by child processes.

    Raises:
        AlreadyRunningError: another service still holds the lock after WAIT_SECONDS.
        HomeNotWritableError: the lock file cannot be written.
    """
    file = Deployment(settings).folder("") / LOCK_FILE
    lock = _wait_for(file)
    if lock is None:
        raise AlreadyRunningError(
            f"Another service already uses {settings.home_path}: {_holder(file)}.",
            next_step="Stop it, or set PMMDS_HOME to another folder.",
        )
    with suppress(OSError):  # on a full disk, the lock works but does not show its holder
        lock.truncate(0)
        lock.write(f"process {os.getpid()}, port {settings.http_port}\n")
        lock.flush()
    os.set_inheritable(lock.fileno(), True)
    return lock


def _wait_for(file: Path) -> IO[str] | None:
    """Return the lock, or None if another process still holds it after WAIT_SECONDS. Raises HomeNotWritableError."""
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while (lock := try_lock_file(file)) is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    except OSError as error:
        raise HomeNotWritableError(
            f"The file {file} cannot be written: {error.strerror}.",
            next_step="Set PMMDS_HOME to a writable folder.",
        ) from None
    return lock


def holder_of(home: Path) -> int | None:
    """Process id of the last service that held the lock; None if there was none."""
    words = _holder(home / LOCK_FILE).replace(",", " ").split()
    return int(words[1]) if len(words) > 1 and words[0] == "process" and words[1].isdigit() else None


def _holder(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip() or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"
