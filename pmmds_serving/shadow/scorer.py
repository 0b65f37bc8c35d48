"""Shadow scoring: scores logged requests with the challenger, in batches, after they have reached the database.

It runs in its own process (process.py). Not here: choosing the version (model/challenger.py), reading and
writing rows (pmmds_core.stores.predictions.shadow).
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
from pmmds_core.stores.predictions.shadow import LoggedRow, LogPosition, ShadowScore, ShadowStore
from pmmds_serving.model.cache import ModelCache
from pmmds_serving.process.error_guard import ErrorGuard
from pmmds_serving.shadow.status import ShadowStatus

# Pause between two steps, in seconds.
POLL_SECONDS = 0.5
BATCH_ROWS = 2_000
# Transactions may commit out of order, so each pass starts this long before the newest row of the previous pass.
OVERLAP = timedelta(seconds=10)
# Interval of full passes, which find rows of transactions that took longer than OVERLAP.
FULL_PASS_SECONDS = 600.0

log = get_logger("pmmds.serving.shadow_scorer")


class ShadowScorer:
    """Scores logged rows with the challenger. `store_of` opens the store and is called again after every failure."""

    def __init__(self, cache: ModelCache, store_of: Callable[[], ShadowStore], before: ShadowStatus | None) -> None:
        self._cache = cache
        self._store_of = store_of
        self._store: ShadowStore | None = None
        self._bundle: Bundle | None = None
        # Continue the work of the previous process.
        self._status = ShadowStatus(os.getpid(), "waiting", before.version, before.since) if before else _fresh()
        self._newest: datetime | None = None
        self._full_pass_at = 0.0

    @property
    def status(self) -> ShadowStatus:
        return self._status

    def step(self) -> bool:
        """Score all waiting rows. Returns False after an error, which the status contains and which is logged once."""
        problem = ""
        with ErrorGuard() as scoring:
            problem = self._follow()
        if scoring.error is not None:
            # The text of a model's or driver's error may contain row values, so only its type is reported.
            error = scoring.error
            unexpected = f"Rows could not be scored: {type(error).__name__}."
            problem = error.message if isinstance(error, PmmdsError) else unexpected
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
        """Score with the current challenger; return the problem that prevents scoring, or an empty string."""
        challenger = self._cache.read_challenger()
        if challenger is None or not challenger.version or challenger.problem:
            self._bundle = None
            if challenger is not None and challenger.version != self._status.version:
                self._status = msgspec.structs.replace(_fresh(), version=challenger.version)
            return challenger.problem if challenger is not None else ""
        if self._store is None:
            self._store, self._newest = self._store_of(), None
        store = self._store
        if self._status.version != challenger.version or self._status.since is None:
            self._start(store, challenger.version)
        if self._bundle is None or self._bundle.directory != self._cache.bundle_folder(challenger.version):
            self._bundle = load_bundle(self._cache.bundle_folder(challenger.version))
        self._score_waiting(store, self._bundle)
        return ""

    def _start(self, store: ShadowStore, version: str) -> None:
        """Start with a new challenger: it scores rows logged from now on; rows of earlier challengers are deleted."""
        n_forgotten = store.delete_all_but(version)
        self._status = ShadowStatus(os.getpid(), "scoring", version, store.now())
        self._newest = None
        log.info("shadow_began", model_version=version, n_rows_forgotten=n_forgotten)

    def _score_waiting(self, store: ShadowStore, bundle: Bundle) -> None:
        place = self._start_place()
        while rows := store.waiting(self._status.version, place, BATCH_ROWS):
            store.add(self._status.version, scores_of(bundle, rows))
            place = LogPosition(rows[-1].ingested_at, rows[-1].request_id)
            self._newest = max(place.ingested_at, self._newest or place.ingested_at)
            self._status = msgspec.structs.replace(self._status, n_scored=self._status.n_scored + len(rows))
            if len(rows) < BATCH_ROWS:
                break

    def _start_place(self) -> LogPosition:
        since = self._status.since
        assert since is not None
        if self._newest is None or time.monotonic() >= self._full_pass_at:
            self._full_pass_at = time.monotonic() + FULL_PASS_SECONDS
            return LogPosition(since)
        return LogPosition(max(since, self._newest - OVERLAP))


def scores_of(bundle: Bundle, rows: Sequence[LoggedRow]) -> list[ShadowScore]:
    """Score logged rows. Raises PmmdsError if a score is not a probability."""
    probabilities = bundle.scorer.probabilities([row.features for row in rows])
    if not all(0.0 <= p <= 1.0 for p in probabilities):
        raise PmmdsError("The challenger returned a value that is not a probability, so it cannot score as a shadow.")
    return [
        ShadowScore(row.request_id, row.predicted_at, p, int(p >= DECISION_THRESHOLD))
        for row, p in zip(rows, probabilities, strict=True)
    ]


def _fresh() -> ShadowStatus:
    return ShadowStatus(os.getpid())
