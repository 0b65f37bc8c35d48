"""Publishes the spool's state as Prometheus metrics.

Not here: names and labels (metrics/counters.py).
"""

from __future__ import annotations

import math
import time
from pathlib import Path

from pmmds_core.runtime.processes import is_alive
from pmmds_serving.metrics.counters import ServingMetrics
from pmmds_serving.spool.spool import Spool

FORGET_SECONDS = 5.0


class SpoolMetrics:
    """Publishes one worker's spool. Not thread-safe.

    `shared`: folder that contains the shared metric files; it may be missing.
    """

    def __init__(self, metrics: ServingMetrics, spool: Spool, shared: Path) -> None:
        self._metrics = metrics
        self._spool = spool
        self._shared = shared
        self._forgot_at = -math.inf
        self._n_dropped = 0

    def publish(self) -> None:
        """Set the backlog gauge and count rows dropped since the last call."""
        n_dropped = self._spool.n_dropped
        self._metrics.spool_backlog.set(self._spool.backlog_bytes)
        self._metrics.spool_dropped.inc(n_dropped - self._n_dropped)
        self._n_dropped = n_dropped
        if time.monotonic() - self._forgot_at > FORGET_SECONDS:
            forget_dead_workers(self._shared)
            self._forgot_at = time.monotonic()


def forget_dead_workers(folder: Path) -> None:
    """Remove the gauges of dead workers, whose backlog is in the database or counted by another worker.

    The library expects the server to do this, but BentoML's server does not. BentoML chooses the location of the shared
    files below `folder`.
    """
    for path in folder.rglob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdigit() and not is_alive(int(pid)):
            path.unlink(missing_ok=True)
