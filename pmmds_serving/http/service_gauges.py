"""Gauges of the service's state: model, registry and spool; the same information as /healthz.

Read at each scrape from files that all workers share. Not here: counters (metrics/counters.py), metrics read
from the database (metrics/loop_metrics.py).
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pmmds_serving.metrics.loop_metrics import gauge, labeled_gauge
from pmmds_serving.model.verification import RECORDED
from pmmds_serving.spool.segment import segments_with_records
from pmmds_serving.worker import Worker

if TYPE_CHECKING:
    from prometheus_client import Metric


def state_families(worker: Worker) -> list[Metric]:
    """Return all gauges; reads only a folder listing and a few small files."""
    watcher, active, served = worker.cache.read_watcher(), worker.cache.read_active(), worker.follower.model
    is_refused = watcher is not None and watcher.is_refused
    refused = {(watcher.refused_version,): 1.0} if watcher is not None and watcher.refused_version else {}
    is_recorded = active is not None and active.verification == RECORDED
    has_registry = watcher is not None and not watcher.problem and not worker.follower.problem
    info = {(served.name, served.version): 1.0} if served else {}
    n_segments, oldest_seconds = _waiting(worker.spool.folder)
    capacity = float(worker.spool.limits.max_bytes * max(1, len(worker.cache.live_workers())))
    return [
        gauge(
            "pmmds_model_registry_up",
            "0 while the registry cannot be polled",
            float(has_registry),
        ),
        gauge("pmmds_model_loaded", "1 while a model is loaded", float(served is not None)),
        gauge("pmmds_model_refused", "1 while the production version cannot be served", float(is_refused)),
        labeled_gauge(
            "pmmds_model_refused_info", "The production version that cannot be served", ["model_version"], refused
        ),
        gauge("pmmds_model_recorded", "1 while the served files match their promotion record", float(is_recorded)),
        labeled_gauge("pmmds_model_info", "The served version", ["model_name", "model_version"], info),
        gauge("pmmds_spool_max_bytes", "Total capacity of the workers' spools", capacity),
        gauge("pmmds_spool_segments", "Spool files that wait for the database", float(n_segments)),
        gauge(
            "pmmds_spool_oldest_seconds", "Seconds since the oldest waiting spool file was last written", oldest_seconds
        ),
        gauge("pmmds_dead_letters_kept", "Dead letters on disk", float(worker.dead_letters.n_kept())),
        gauge(
            "pmmds_ready", "1 while predictions can be returned and recorded", float(bool(served) and _records(worker))
        ),
        *_shadow(worker),
    ]


def _shadow(worker: Worker) -> list[Metric]:
    """Gauges of the shadow process; empty unless PMMDS_SHADOW is on."""
    status = worker.shadow.part(worker.deployment.settings.shadow)["status"]
    if status == "off":
        return []
    return [gauge("pmmds_shadow_up", "0 while the challenger cannot score", float(status != "problem"))]


def _records(worker: Worker) -> bool:
    return not worker.cannot_record


def _waiting(folder: Path) -> tuple[int, float]:
    """Number of log segments with records, and seconds since the oldest one was last written."""
    waiting = segments_with_records(folder)
    written = []
    for path in waiting:
        with suppress(FileNotFoundError):  # shipped in between
            written.append(path.stat().st_mtime)
    return len(waiting), max(0.0, time.time() - min(written)) if written else 0.0
