"""The shadow process: a sidecar separate from the workers, so that the challenger never delays a response.

Not here: scoring (scorer.py), starting the process (process/sidecar.py).
"""

from __future__ import annotations

import os
import signal
import threading

from pmmds_core.deployment import Deployment
from pmmds_core.runtime.file_lock import try_lock_file
from pmmds_serving.metrics.counters import ServingMetrics
from pmmds_serving.model.cache import ModelCache
from pmmds_serving.process.error_guard import ErrorGuard
from pmmds_serving.process.sidecar import run_beside_parent
from pmmds_serving.shadow.scorer import POLL_SECONDS, ShadowScorer
from pmmds_serving.shadow.status import ShadowFiles, ShadowStatus
from pmmds_serving.shipping.process import RUN_FOLDER
from pmmds_serving.shipping.shipper import retry_seconds

MODULE = "pmmds_serving.shadow.process"
# Niceness of the process, which gives it a lower priority than the workers.
NICE = 10


class Publisher:
    """Publishes the shadow process's status to the workers and its counts to Prometheus."""

    def __init__(self, files: ShadowFiles, metrics: ServingMetrics) -> None:
        self._files = files
        self._metrics = metrics
        self._published: ShadowStatus | None = None

    def publish(self, status: ShadowStatus) -> None:
        """Raises OSError."""
        published = self._published
        if status == published:
            return
        before = published.n_scored if published is not None and published.version == status.version else 0
        if status.n_scored > before:
            self._metrics.shadow_predictions.labels(status.version).inc(status.n_scored - before)
        self._files.status.write(status)
        self._published = status


def shadow(deployment: Deployment, parent: int) -> None:
    """Score until this process gets SIGTERM or its parent is gone."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # on Ctrl-C, the worker stops this process
    files = ShadowFiles(deployment.folder(RUN_FOLDER))
    lock = try_lock_file(files.lock)
    if lock is None:
        return
    os.nice(NICE)
    cache = ModelCache(deployment.folder("model_cache").parent, deployment.model_name)
    scorer = ShadowScorer(cache, lambda: deployment.shadow, files.status.read())
    publisher = Publisher(files, ServingMetrics())
    n_failures = 0
    with lock:
        while not stop.is_set() and os.getppid() == parent:
            succeeded = False
            with ErrorGuard():  # step() handles its own errors; this suppresses publishing errors
                succeeded = scorer.step()
                publisher.publish(scorer.status)
            n_failures = 0 if succeeded else n_failures + 1
            stop.wait(POLL_SECONDS + (retry_seconds(n_failures) if n_failures else 0.0))


def main() -> None:
    """Entry point of the process."""
    run_beside_parent(shadow)


if __name__ == "__main__":
    main()
