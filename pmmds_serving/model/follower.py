"""Follows the active version of the model cache and swaps the worker's model between two requests.

A bundle is loaded and verified before the swap; if that fails, the previous model keeps serving.
Not here: fetching (watcher.py).
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
from pmmds_serving.model.cache import ActiveVersion, ModelCache, WorkerStatus

FOLLOW_SECONDS = 0.25

log = get_logger("pmmds.serving.model")


@dataclass(frozen=True)
class ServedModel:
    """The model version that this worker serves."""

    name: str
    version: str
    bundle: Bundle
    loaded_at: datetime


class ModelFollower:
    """Keeps `model` at the active version. Only the event loop's thread assigns `model`."""

    def __init__(self, cache: ModelCache, metrics: ServingMetrics) -> None:
        self._cache = cache
        self._metrics = metrics
        self._seen: tuple[int, int] | None = None
        self.model: ServedModel | None = None
        self.problem = ""

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self.follow()
            await asyncio.sleep(FOLLOW_SECONDS)

    async def follow(self) -> None:
        """Swap the model if the active version has changed."""
        identity = self._cache.active_identity()
        if identity is None or identity == self._seen:
            return
        self._seen = identity
        active = self._cache.read_active()
        if active is not None and not self._serves(active):
            await self._swap(active)

    def _serves(self, active: ActiveVersion) -> bool:
        """True if the active version is already loaded; only its verification result may have changed."""
        served = self.model
        return served is not None and (served.version, served.bundle.digest) == (active.version, active.digest)

    async def _swap(self, active: ActiveVersion) -> None:
        bundle = await asyncio.to_thread(self._load, active)
        if isinstance(bundle, PmmdsError):
            self.problem = bundle.message
            log.error("model_refused", model_version=active.version, problem=self.problem)
        else:
            self._take(active, bundle)
        self.write_status()

    def _load(self, active: ActiveVersion) -> Bundle | PmmdsError:
        try:
            return self._cache.load(active)
        except PmmdsError as error:
            return error

    def _take(self, active: ActiveVersion, bundle: Bundle) -> None:
        name, previous = bundle.manifest.model_name, self.model
        self.model = ServedModel(name, active.version, bundle, datetime.now(UTC))
        self.problem = ""
        # The model stays in memory until the next swap, so exclude it from garbage collection.
        gc.collect()
        gc.freeze()
        reloads = self._metrics.model_reloads.labels(name)  # exports zero as soon as a model is loaded
        if previous is not None:
            reloads.inc()
        log.info(
            "model_loaded",
            model_name=name,
            model_version=active.version,
            previous_version=previous.version if previous else None,
        )

    def write_status(self) -> None:
        """Record the version this worker serves; `POST /model/reload` waits until all workers serve the same one."""
        version, loaded_at = (self.model.version, self.model.loaded_at) if self.model else ("", None)
        self._cache.write_worker(WorkerStatus(os.getpid(), version, loaded_at, self.problem))
