"""The shadow: scores logged requests with the challenger, in batches, after they have reached the database.

It runs in a process of its own (process.py). Keep out: which version (model/challenger.py), rows
(shadow_store).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from pmmds_core.errors import PmmdsError
from pmmds_core.models.bundle import Bundle, load_bundle
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.statistics.classification import DECISION_THRESHOLD
from pmmds_core.stores.predictions.shadow import LoggedRow, Place, ShadowScore, ShadowStore
from pmmds_serving.model.cache import ModelCache
from pmmds_serving.process.error_guard import ErrorGuard
from pmmds_serving.shadow.status import ShadowStatus

BATCH_ROWS = 2_000
# A transaction may end later than one that began after it: a look begins so much before the end of the last one.
OVERLAP = timedelta(seconds=10)
# And now and then at the beginning, for a transaction that took longer.
WHOLE_LOOK_SECONDS = 600.0

log = get_logger("pmmds.serving.shadow_scorer")


class ShadowScorer:
    """Keeps the challenger's scores level with the log. `store_of` is asked again after every failure."""

    def __init__(self, cache: ModelCache, store_of: Callable[[], ShadowStore], before: ShadowStatus | None) -> None:
        self._cache = cache
        self._store_of = store_of
        self._store: ShadowStore | None = None
        self._bundle: Bundle | None = None
        # What a process before this one began is gone on with.
        self._status = ShadowStatus(os.getpid(), "waiting", before.version, before.since) if before else _fresh()
        self._newest: datetime | None = None
        self._whole_look_at = 0.0

    @property
    def status(self) -> ShadowStatus:
        return self._status

    def step(self) -> bool:
        """Score what waits; whether all went well. Whatever is wrong is in the status, told once."""
        problem = ""
        with ErrorGuard() as scoring:
            problem = self._follow()
        if scoring.error is not None:
            # What a model or a driver raises may repeat the rows that it failed on: its name has to do.
            error = scoring.error
            unnamed = f"Rows could not be scored: {type(error).__name__}."
            problem = error.message if isinstance(error, PmmdsError) else unnamed
            self._store = None
        state = "problem" if problem else "scoring" if self._bundle is not None else "waiting"
        was = self._status
        self._status = msgspec.structs.replace(was, state=state, problem=problem)
        if problem and problem != was.problem:
            log.warning("shadow_problem", model_version=was.version, problem=problem)
        elif was.problem and not problem:
            log.info("shadow_resumed", model_version=self._status.version)
        return not problem

    def _follow(self) -> str:
        """Score beside whoever is challenger now; why that cannot be."""
        stamp = self._cache.read_challenger()
        if stamp is None or not stamp.version or stamp.problem:
            self._bundle = None
            if stamp is not None and stamp.version != self._status.version:
                self._status = msgspec.structs.replace(_fresh(), version=stamp.version)
            return stamp.problem if stamp is not None else ""
        if self._store is None:
            self._store, self._newest = self._store_of(), None
        store = self._store
        if self._status.version != stamp.version or self._status.since is None:
            self._begin(store, stamp.version)
        if self._bundle is None or self._bundle.directory != self._cache.bundle_folder(stamp.version):
            self._bundle = load_bundle(self._cache.bundle_folder(stamp.version))
        self._score_waiting(store, self._bundle)
        return ""

    def _begin(self, store: ShadowStore, version: str) -> None:
        """A new challenger: it scores what is logged from here on, and its predecessors' rows go."""
        n_forgotten = store.forget_all_but(version)
        self._status = ShadowStatus(os.getpid(), "scoring", version, store.now())
        self._newest = None
        log.info("shadow_began", model_version=version, n_rows_forgotten=n_forgotten)

    def _score_waiting(self, store: ShadowStore, bundle: Bundle) -> None:
        place = self._beginning()
        while rows := store.waiting(self._status.version, place, BATCH_ROWS):
            store.add(self._status.version, scores_of(bundle, rows))
            place = Place(rows[-1].ingested_at, rows[-1].request_id)
            self._newest = max(place.ingested_at, self._newest or place.ingested_at)
            self._status = msgspec.structs.replace(self._status, n_scored=self._status.n_scored + len(rows))
            if len(rows) < BATCH_ROWS:
                break

    def _beginning(self) -> Place:
        since = self._status.since
        assert since is not None
        if self._newest is None or time.monotonic() >= self._whole_look_at:
            self._whole_look_at = time.monotonic() + WHOLE_LOOK_SECONDS
            return Place(since)
        return Place(max(since, self._newest - OVERLAP))


def scores_of(bundle: Bundle, rows: Sequence[LoggedRow]) -> list[ShadowScore]:
    """What the bundle's model says of logged rows. Raises PmmdsError when it is no probability."""
    found = bundle.scorer.probabilities([row.features for row in rows])
    if not all(0.0 <= p <= 1.0 for p in found):
        raise PmmdsError("The challenger gives no probability for a logged request; it is not shadowed.")
    return [
        ShadowScore(row.request_id, row.predicted_at, p, int(p >= DECISION_THRESHOLD))
        for row, p in zip(rows, found, strict=True)
    ]


def _fresh() -> ShadowStatus:
    return ShadowStatus(os.getpid())
