"""One serving worker: creates its parts, and starts and stops them in order. Not here: what the parts do.

Shutdown order: drain requests, ship the spool, close.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pmmds_core.deployment import Deployment
from pmmds_core.runtime.json_logs import configure_logging, lines
from pmmds_core.runtime.processes import is_alive
from pmmds_serving.metrics.counters import ServingMetrics
from pmmds_serving.model.cache import ModelCache
from pmmds_serving.model.follower import ModelFollower
from pmmds_serving.model.watcher import LOCK as WATCHER_LOCK
from pmmds_serving.model.watcher import MODULE as WATCHER
from pmmds_serving.prediction.large_bodies import LargeBodies
from pmmds_serving.prediction.predictor import Predictor
from pmmds_serving.process.error_guard import ErrorGuard
from pmmds_serving.process.home_lock import holder_of
from pmmds_serving.process.sidecar import Sidecar
from pmmds_serving.shadow.process import MODULE as SHADOW
from pmmds_serving.shadow.status import ShadowFiles
from pmmds_serving.shipping.dead_letters import FOLDER, DeadLetters
from pmmds_serving.shipping.process import MODULE as SHIPPER
from pmmds_serving.shipping.process import RUN_FOLDER, SPOOL_FOLDER, STOP_SECONDS, ShipperFiles
from pmmds_serving.spool.metrics import SpoolMetrics
from pmmds_serving.spool.segment import segments_with_records
from pmmds_serving.spool.spool import SEGMENT_BYTES, Spool, SpoolLimits
from pmmds_serving.spool.sync import SpoolSyncer

if TYPE_CHECKING:
    from pmmds_serving.tracing import Tracing

SIDECAR_CHECK_SECONDS = 1.0
WATCHER_STOP_SECONDS = 5.0
SHADOW_STOP_SECONDS = 2.0
# Maximum delay in seconds before log lines and counters, which are published together, become visible.
PUBLISH_SECONDS = 0.1


@dataclass
class Worker:
    """The parts of a worker that the endpoints use."""

    deployment: Deployment
    cache: ModelCache
    metrics: ServingMetrics
    follower: ModelFollower
    spool: Spool
    shipper: ShipperFiles
    dead_letters: DeadLetters
    shadow: ShadowFiles
    predictor: Predictor
    syncer: SpoolSyncer
    large_batches: LargeBodies = field(default_factory=LargeBodies)
    large_feedback: LargeBodies = field(default_factory=LargeBodies)
    tracing: Tracing | None = None  # None unless PMMDS_OTLP_ENDPOINT is set

    @property
    def cannot_record(self) -> str:
        """The reason why predictions cannot be recorded now; empty if they can."""
        if self.spool.problem:
            return self.spool.problem
        if self.spool.is_full:
            return "the spool has reached PMMDS_SPOOL_MAX_BYTES; the database does not accept its rows"
        try:
            free = os.statvfs(self.spool.folder)
            has_room = free.f_bavail * free.f_frsize > SEGMENT_BYTES and os.access(self.spool.folder, os.W_OK)
        except OSError:
            has_room = False
        return "" if has_room else "the disk of PMMDS_HOME is full or read-only"


def build_worker(deployment: Deployment) -> Worker:
    """Create all parts without starting them or opening the database. Raises ContractError, HomeNotWritableError."""
    names = deployment.contract.feature_names
    pickle = deployment.settings.model_pickle
    cache = ModelCache(deployment.folder("model_cache").parent, deployment.model_name, pickle=pickle)
    cache.prepare()
    metrics = ServingMetrics()
    follower = ModelFollower(cache, metrics)
    s = deployment.settings
    limits = SpoolLimits(s.spool_max_bytes, s.spool_when_full)
    spool = Spool(deployment.folder(SPOOL_FOLDER), names, limits)
    spool_metrics = SpoolMetrics(metrics, spool, s.home_path / "run")
    syncer = SpoolSyncer(spool, s.spool_sync_seconds, spool_metrics.publish)
    predictor = Predictor(deployment.contract, follower, spool, metrics, s.log_prediction_share)
    run_folder = deployment.folder(RUN_FOLDER)
    shipper, shadow = ShipperFiles(run_folder), ShadowFiles(run_folder)
    dead_letters = DeadLetters(spool.folder / FOLDER)
    return Worker(deployment, cache, metrics, follower, spool, shipper, dead_letters, shadow, predictor, syncer)


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[None]:
    """Run the worker's parts until the block ends."""
    settings = worker.deployment.settings
    _start_tracing(worker)
    lines.hold()
    watcher = Sidecar(WATCHER, worker.cache.folder / WATCHER_LOCK, settings)
    shipper = Sidecar(SHIPPER, worker.shipper.lock, settings)
    shadows = [Sidecar(SHADOW, worker.shadow.lock, settings)] if settings.shadow == "on" else []
    await worker.follower.follow()
    worker.follower.write_status()
    worker.syncer.start()
    tasks = [
        asyncio.create_task(worker.follower.run()),
        asyncio.create_task(_publish(worker.metrics)),
        asyncio.create_task(_keep_running(watcher, shipper, *shadows)),
        asyncio.create_task(_stop_with(os.getppid(), holder_of(settings.home_path))),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(worker.syncer.stop)
        with ErrorGuard() as closing:
            worker.spool.close()
        closing.log_error("spool_not_closed")
        watcher.stop(WATCHER_STOP_SECONDS)
        for shadow in shadows:
            shadow.stop(SHADOW_STOP_SECONDS)
        if segments_with_records(worker.spool.folder):
            # BentoML's shutdown signal reaches all processes, including a shipper that is still starting.
            await asyncio.to_thread(shipper.ensure)
        await asyncio.to_thread(shipper.stop, STOP_SECONDS + 1, worker.shipper.is_up)
        worker.cache.remove_worker(os.getpid())
        worker.metrics.fold()
        lines.drain()
        if worker.tracing is not None:
            await asyncio.to_thread(worker.tracing.close)


def _start_tracing(worker: Worker) -> None:
    """Configure logging, and tracing if it is enabled; OpenTelemetry is not imported otherwise."""
    settings = worker.deployment.settings
    if not settings.otlp_endpoint:
        configure_logging(settings.log_level)
        return
    from pmmds_serving.tracing import Tracing, add_trace_id

    configure_logging(settings.log_level, add_trace_id)
    worker.tracing = Tracing(settings)
    worker.tracing.watch(worker.predictor)


async def _publish(metrics: ServingMetrics) -> None:
    while True:
        await asyncio.sleep(PUBLISH_SECONDS)
        metrics.fold()
        lines.drain()


async def _keep_running(*sidecars: Sidecar) -> None:
    while True:
        for sidecar in sidecars:
            await asyncio.to_thread(sidecar.ensure)
        await asyncio.sleep(SIDECAR_CHECK_SECONDS)


async def _stop_with(parent: int, main: int | None) -> None:
    """Stop this worker if the server's main process is gone. Otherwise it would keep the port and the home in use.

    `main`: the process that locked the home. If it exited while this worker was importing, the parent is process 1.
    """
    was_orphaned = parent == 1 and main not in (None, 1) and not is_alive(main or 0)
    while True:
        if was_orphaned or os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        await asyncio.sleep(SIDECAR_CHECK_SECONDS)
