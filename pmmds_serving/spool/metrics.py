"""What the spool's counts mean to Prometheus, published from its state. Keep out.

Names and labels (metrics/counters.py).
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
    """Publishes one worker's spool. Not for two threads at once.

    `shared` is the folder under which the metrics that all workers share lie; it need not be there.
    """

    def __init__(self, metrics: ServingMetrics, spool: Spool, shared: Path) -> None:
        self._metrics = metrics
        self._spool = spool
        self._shared = shared
        self._forgot_at = -math.inf
        self._n_dropped = 0

    def publish(self) -> None:
        """Set the gauge, and count what was added since."""
        n_dropped = self._spool.n_dropped
        self._metrics.spool_backlog.set(self._spool.backlog_bytes)
        self._metrics.spool_dropped.inc(n_dropped - self._n_dropped)
        self._n_dropped = n_dropped
        if time.monotonic() - self._forgot_at > FORGET_SECONDS:
            forget_dead_workers(self._shared)
            self._forgot_at = time.monotonic()


def forget_dead_workers(folder: Path) -> None:
    """Remove the gauges of workers that were killed: their backlog is an heir's, or in the database.

    The library does so only when a server calls it for each dead worker, which BentoML's does not; and BentoML moves
    the shared folder to a place of its own below `folder`.
    """
    for path in folder.rglob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdigit() and not is_alive(int(pid)):
            path.unlink(missing_ok=True)
