"""The shipper process: a sidecar, so that shipping does not hold the workers' interpreter lock.

In a thread of the worker, shipping a row would take more than twice the processor time (docs/decisions/0013). Not here:
shipping (shipper.py), starting the process (process/sidecar.py).
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
    """State of the shipper process; the workers include it in their status."""

    pid: int
    problem: str = ""
    n_shipped: int = 0


@dataclass(frozen=True)
class ShipperFiles:
    """Files that a home's shipper and workers share."""

    folder: Path

    @property
    def lock(self) -> Path:
        return self.folder / LOCK

    @property
    def status(self) -> StatusFile[ShipperStatus]:
        return StatusFile(self.folder / STATUS, ShipperStatus)

    def is_up(self, pid: int) -> bool:
        """True if this process holds the lock and handles signals."""
        status = self.status.read()
        return status is not None and status.pid == pid

    def problem(self) -> str:
        """The reason why rows do not reach the database; empty if they do or the first shipper is still starting."""
        status = self.status.read()
        if status is None:
            return ""
        if not is_alive(status.pid):
            return "The shipper process has exited and is being restarted."
        return status.problem


class Publisher:
    """Publishes the shipper's status to the workers and its counts to Prometheus."""

    def __init__(self, shipper: Shipper, files: ShipperFiles, metrics: ServingMetrics) -> None:
        self._shipper = shipper
        self._files = files
        self._metrics = metrics
        self._published: ShipperState | None = None

    def publish(self) -> None:
        """Raises OSError."""
        state = self._shipper.state
        if state == self._published:
            return
        before = self._published or ShipperState()
        self._metrics.dead_letters.inc(state.n_dead_letters - before.n_dead_letters)
        self._metrics.repeated_requests.labels("same").inc(state.n_same - before.n_same)
        self._metrics.repeated_requests.labels("other").inc(state.n_other - before.n_other)
        self._files.status.write(ShipperStatus(os.getpid(), state.problem, state.n_shipped))
        self._published = state


def ship(deployment: Deployment, parent: int) -> None:
    """Ship until this process gets SIGTERM or its parent is gone."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C, the worker stops this process
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
        # If the parent is gone, stop at once so that another worker can start the next shipper.
        shipper.finish(STOP_SECONDS if os.getppid() == parent else 0.0)


def main() -> None:
    """Entry point of the process."""
    run_beside_parent(ship)


if __name__ == "__main__":
    main()
