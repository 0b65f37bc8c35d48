"""Sidecar processes: started by one worker and shared by all workers of a home, for example the model watcher.

A file lock ensures that only one runs. It exits with the worker that started it; another worker then starts the next
one. Not here: what a sidecar does (model/watcher.py, shipping/process.py, shadow/process.py).
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
    """Process id of the worker that started this sidecar, passed on the command line.

    The imports take seconds; if the worker exits during them, `os.getppid()` is process 1.
    """
    return int(sys.argv[1]) if len(sys.argv) > 1 else os.getppid()


def run_beside_parent(work: Callable[[Deployment, int], None]) -> None:
    """Main function of a sidecar: calls `work(deployment, parent)`. On a PmmdsError, exits with its message."""
    parent = _starter()
    settings = load_settings()
    configure_logging(settings.log_level)
    try:
        work(Deployment(settings), parent)
    except PmmdsError as error:
        raise SystemExit(str(error)) from None


class Sidecar:
    """Runs `python -m MODULE WORKER_PID` as a child process unless another worker runs it."""

    def __init__(self, module: str, lock_file: Path, settings: Settings) -> None:
        self._argv = [sys.executable, "-m", module, str(os.getpid())]
        self._lock_file = lock_file
        self._environment = {**os.environ, **settings.to_environment()}
        self._child: subprocess.Popen[bytes] | None = None

    def ensure(self) -> None:
        """Start the process if none is running; cheap enough to call every second."""
        if self._child is not None and self._child.poll() is None:
            return
        lock = try_lock_file(self._lock_file)
        if lock is None:
            return
        lock.close()
        self._child = subprocess.Popen(self._argv, env=self._environment)

    def stop(self, deadline_seconds: float, is_up: Callable[[int], bool] = lambda _: True) -> None:
        """Terminate the child; kill it after the deadline.

        Args:
            deadline_seconds: time for the child to exit.
            is_up: returns True once the process with this id handles signals; the child is not terminated earlier.
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
