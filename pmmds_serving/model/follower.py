"""What a worker serves now: follows the stamp of the model cache and swaps between two requests.

A bundle is verified aside before it takes over; one that fails changes nothing. Keep out: fetching (watcher.py).
"""

from __future__ import annotations

import asyncio
import gc
import os
from dataclasses import dataclass
from datetime import UTC, datetime

from pmmds_core.errors import PmmdsError
from pmmds_core.models.bundle import Bundle
from pmmds_core.runtime.json_logs import get_logger
from pmmds_serving.metrics.counters import ServingMetrics
from pmmds_serving.model.cache import ModelCache, Stamp, WorkerStatus

FOLLOW_SECONDS = 0.25

log = get_logger("pmmds.serving.model")


@dataclass(frozen=True)
class ServedModel:
    """The version that answers in this worker."""

    name: str
    version: str
    bundle: Bundle
    loaded_at: datetime


class ModelFollower:
    """Keeps `model` where the stamp is. Only the event loop's thread assigns it."""

    def __init__(self, cache: ModelCache, metrics: ServingMetrics) -> None:
        self._cache = cache
        self._metrics = metrics
        self._seen: tuple[int, int] | None = None
        self.model: ServedModel | None = None
        self.problem = ""

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await self.follow()
            await asyncio.sleep(FOLLOW_SECONDS)

    async def follow(self) -> None:
        """Swap when the stamp was replaced."""
        identity = self._cache.stamp_identity()
        if identity is None or identity == self._seen:
            return
        self._seen = identity
        stamp = self._cache.read_stamp()
        if stamp is not None and not self._serves(stamp):
            await self._swap(stamp)

    def _serves(self, stamp: Stamp) -> bool:
        """Whether the stamp says something else of the files that are served already."""
        served = self.model
        return served is not None and (served.version, served.bundle.digest) == (stamp.version, stamp.digest)

    async def _swap(self, stamp: Stamp) -> None:
        bundle = await asyncio.to_thread(self._load, stamp)
        if isinstance(bundle, PmmdsError):
            self.problem = bundle.message
            log.error("model_refused", model_version=stamp.version, problem=self.problem)
        else:
            self._take(stamp, bundle)
        self.tell()

    def _load(self, stamp: Stamp) -> Bundle | PmmdsError:
        try:
            return self._cache.load(stamp)
        except PmmdsError as error:
            return error

    def _take(self, stamp: Stamp, bundle: Bundle) -> None:
        name, previous = bundle.manifest.model_name, self.model
        self.model = ServedModel(name, stamp.version, bundle, datetime.now(UTC))
        self.problem = ""
        # What was loaded lives as long as the worker: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        reloads = self._metrics.model_reloads.labels(name)  # shown from the first model on, as zero
        if previous is not None:
            reloads.inc()
        log.info(
            "model_loaded",
            model_name=name,
            model_version=stamp.version,
            previous_version=previous.version if previous else None,
        )

    def tell(self) -> None:
        """Write what this worker serves, for whoever waits until all serve a version."""
        version, loaded_at = (self.model.version, self.model.loaded_at) if self.model else ("", None)
        self._cache.write_worker(WorkerStatus(os.getpid(), version, loaded_at, self.problem))
