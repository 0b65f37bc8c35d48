"""One service on one home: a second one would empty the counters of the first, which share a folder of it.

The lock is a file lock that the service's processes inherit; the kernel releases it when the last of them ends. Keep
out: workers of one service, which share the home (worker.py).
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
# A supervisor may start the service while the one before it still drains.
WAIT_SECONDS, POLL_SECONDS = 5.0, 0.1


def take_home(settings: Settings) -> IO[str]:
    """The lock of the home, which survives `exec` and is inherited by child processes that inherit descriptors.

    Raises:
        AlreadyRunningError: another service uses the home after WAIT_SECONDS.
        HomeNotWritableError: the lock file cannot be written.
    """
    file = Deployment(settings).folder("") / LOCK_FILE
    lock = _wait_for(file)
    if lock is None:
        raise AlreadyRunningError(
            f"A service uses {settings.home_path} already: {_holder(file)}.",
            next_step="Stop it first, or give this one a home of its own with PMMDS_HOME.",
        )
    with suppress(OSError):  # on a full disk the lock holds without a name in it
        lock.truncate(0)
        lock.write(f"process {os.getpid()}, port {settings.http_port}\n")
        lock.flush()
    os.set_inheritable(lock.fileno(), True)
    return lock


def _wait_for(file: Path) -> IO[str] | None:
    """The lock; None when another process still has it after WAIT_SECONDS. Raises HomeNotWritableError."""
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        while (lock := try_lock_file(file)) is None and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    except OSError as error:
        raise HomeNotWritableError(
            f"The file {file} cannot be written: {error.strerror}.",
            next_step="Point PMMDS_HOME at a folder that can be written.",
        ) from None
    return lock


def holder_of(home: Path) -> int | None:
    """Process id of the service that took the home last; None when none has."""
    words = _holder(home / LOCK_FILE).replace(",", " ").split()
    return int(words[1]) if len(words) > 1 and words[0] == "process" and words[1].isdigit() else None


def _holder(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip() or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"
