"""Watches the alias challenger: fetches and verifies the version that scores as a shadow.

Runs in the model watcher, after production. Not here: scoring (shadow/scorer.py).
"""

from __future__ import annotations

import time

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import PmmdsError, RegistryUnavailableError
from pmmds_core.models.bundle import BundleFiles
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.stores.artifacts.model_registry import CHALLENGER, ModelRegistry
from pmmds_serving.model.cache import ChallengerVersion, ModelCache
from pmmds_serving.model.fetcher import ModelFetcher
from pmmds_serving.model.verification import NO_RECORD, Verification

POLL_SECONDS = 2.0
REFUSED_RETRY_SECONDS = 15.0
NO_CHALLENGER = ChallengerVersion("")

log = get_logger("pmmds.serving.challenger_watch")


def _no_further_check(_: BundleFiles) -> Verification:
    """Accept the files: a challenger has no promotion record to compare with, and `portable_only` excludes pickles."""
    return Verification(NO_RECORD)


class ChallengerWatch:
    """Updates `challenger.json` when the alias moves; errors never affect the production version."""

    def __init__(self, registry: ModelRegistry, cache: ModelCache, contract: Contract) -> None:
        self._registry = registry
        self._cache = cache
        self._model_name = contract.model_name
        self._fetcher = ModelFetcher(registry, cache, contract)
        self._poll_at = self._retry_at = 0.0

    def poll(self) -> None:
        """Poll the registry if POLL_SECONDS have passed. Raises OSError when `challenger.json` cannot be written."""
        if time.monotonic() < self._poll_at:
            return
        self._poll_at = time.monotonic() + POLL_SECONDS
        before = self._cache.read_challenger()
        try:
            after = self._followed(before)
        except RegistryUnavailableError:
            return  # the production watcher reports this error; a cached challenger keeps scoring
        if after == before:
            return
        self._cache.write_challenger(after)
        if after.problem:
            log.warning("challenger_not_shadowed", model_version=after.version, problem=after.problem)
        elif after.version:
            log.info("challenger_fetched", model_name=self._model_name, model_version=after.version)

    def _followed(self, before: ChallengerVersion | None) -> ChallengerVersion:
        version = self._registry.version_of(self._model_name, CHALLENGER)
        production = self._cache.read_active()
        if version is None or (production is not None and production.version == version.version):
            return NO_CHALLENGER
        is_same = before is not None and before.version == version.version
        if before is not None and is_same and (not before.problem or time.monotonic() < self._retry_at):
            return before
        self._retry_at = time.monotonic() + REFUSED_RETRY_SECONDS
        try:
            self._fetcher.fetch(version, _no_further_check, portable_only=True)
        except RegistryUnavailableError:
            raise
        except PmmdsError as error:
            return ChallengerVersion(version.version, error.message)
        return ChallengerVersion(version.version)
