"""A companion: a process that one of a home's workers starts and the others share, such as the model watcher.

Of all that are started one leads, by a file lock; it ends with the worker that started it, and another worker starts
the next. Keep out: what a companion does (model/watcher.py, shipping/process.py).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pmmds_core.config.settings import Settings, load_settings
from pmmds_core.deployment import Deployment
from pmmds_core.errors import PmmdsError
from pmmds_core.runtime.file_lock import try_lock_file
from pmmds_core.runtime.json_logs import configure_logging


def _starter() -> int:
    """The process id of the worker that started this process, as it said itself.

    Whoever is the parent when a companion has been imported, seconds later, may be the system's first process already.
    """
    return int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid()


def run_beside_parent(work: Callable[[Deployment, int], None]) -> None:
    """A companion's process: `work` with the deployment and the parent's process id; what is wrong, in one sentence."""
    parent = _starter()
    settings = load_settings()
    configure_logging(settings.log_level)
    try:
        work(Deployment(settings), parent)
    except PmmdsError as error:
        raise SystemExit(str(error)) from None


class Companion:
    """`python -m MODULE PID-OF-THIS-WORKER` as its child, when no other worker has one."""

    def __init__(self, module: str, lock_file: Path, settings: Settings) -> None:
        self._argv = [sys.executable, "-m", module, str(os.getpid())]
        self._lock_file = lock_file
        self._environment = {**os.environ, **settings.to_environment()}
        self._child: subprocess.Popen[bytes] | None = None

    def ensure(self) -> None:
        """Start one when none leads; cheap enough to be asked every second."""
        if self._child is not None and self._child.poll() is None:
            return
        lock = try_lock_file(self._lock_file)
        if lock is None:
            return
        lock.close()
        self._child = subprocess.Popen(self._argv, env=self._environment)

    def stop(self, deadline_seconds: float, is_up: Callable[[int], bool] = lambda _: True) -> None:
        """Ask the child to end, and end it when it has not in time.

        Args:
            deadline_seconds: for the child's end.
            is_up: whether the process with this id hears; one that is only being started would be ended half-way.
        """
        if self._child is None:
            return
        deadline = time.monotonic() + deadline_seconds
        while self._child.poll() is None and not is_up(self._child.pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._child.terminate()
        try:
            self._child.wait(deadline_seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
