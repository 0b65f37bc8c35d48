"""The shipper as a process: beside the workers, so that no answer waits for the interpreter's lock while rows move.

In a thread of the worker a row cost more than twice its processor time (docs/decisions/0013). Keep out: moving
(shipper.py), who starts it (process/sidecar.py).
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pmmds_core.deployment import Deployment
from pmmds_core.runtime.file_lock import try_lock_file
from pmmds_core.runtime.processes import is_alive
from pmmds_serving.metrics.counters import ServingMetrics
from pmmds_serving.process.sidecar import run_beside_parent
from pmmds_serving.process.status_file import StatusFile
from pmmds_serving.shipping.shipper import Shipper, ShipperState

MODULE = "pmmds_serving.shipping.process"
SPOOL_FOLDER, RUN_FOLDER = "spool", "run"
LOCK, STATUS = "shipper.lock", "shipper.json"
STOP_SECONDS = 10.0


class ShipperStatus(msgspec.Struct, frozen=True):
    """What the process last saw, for the workers to tell."""

    pid: int
    problem: str = ""
    n_shipped: int = 0


@dataclass(frozen=True)
class ShipperFiles:
    """Where a home's shipper and its workers meet."""

    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder / LOCK

    @property
    def status(self) -> StatusFile[ShipperStatus]:
        return StatusFile(self.folder / STATUS, ShipperStatus)

    def is_up(self, pid: int) -> bool:
        """Whether this process leads, and hears signals."""
        status = self.status.read()
        return status is not None and status.pid == pid

    def problem(self) -> str:
        """Why rows do not reach the database; empty while they do, and while the first shipper is being started."""
        status = self.status.read()
        if status is None:
            return ""
        if not is_alive(status.pid):
            return "The process that moves rows to the database has ended; another one is being started."
        return status.problem


class Publisher:
    """Tells what the shipper saw: its status for the workers, dead letters for Prometheus."""

    def __init__(self, shipper: Shipper, files: ShipperFiles, metrics: ServingMetrics) -> None:
        self._shipper = shipper
        self._files = files
        self._metrics = metrics
        self._told: ShipperState | None = None

    def publish(self) -> None:
        """Raises OSError."""
        state = self._shipper.state
        if state == self._told:
            return
        before = self._told or ShipperState()
        self._metrics.dead_letters.inc(state.n_dead_letters - before.n_dead_letters)
        self._metrics.repeated_requests.labels("same").inc(state.n_same - before.n_same)
        self._metrics.repeated_requests.labels("other").inc(state.n_other - before.n_other)
        self._files.status.write(ShipperStatus(os.getpid(), state.problem, state.n_shipped))
        self._told = state


def move(deployment: Deployment, parent: int) -> None:
    """Ship until this process is asked to end, or its parent is gone."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the worker says when it is over
    files = ShipperFiles(deployment.folder(RUN_FOLDER))
    lock = try_lock_file(files.lock)
    if lock is None:
        return
    files.status.write(ShipperStatus(os.getpid()))
    names = deployment.contract.feature_names
    folder = deployment.folder(SPOOL_FOLDER)
    shipper = Shipper(
        folder, lambda: deployment.prediction_log, names, max_attempts=deployment.settings.spool_max_attempts
    )
    publisher = Publisher(shipper, files, ServingMetrics())

    def after_each() -> None:
        if os.getppid() != parent:
            stop.set()
        publisher.publish()

    with lock:
        shipper.run(stop, after_each)
        # Orphaned, it makes place for the one that another worker starts.
        shipper.finish(STOP_SECONDS if os.getppid() == parent else 0.0)


def main() -> None:
    """Entry point of the process."""
    run_beside_parent(move)


if __name__ == "__main__":
    main()
