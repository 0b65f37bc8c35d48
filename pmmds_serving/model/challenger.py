"""Which version may score as a shadow: the one under the alias challenger, fetched aside and verified.

It is asked by the model watcher, after production. Keep out: scoring (shadow/scorer.py).
"""

from __future__ import annotations

import time

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import PmmdsError, RegistryUnavailableError
from pmmds_core.models.bundle import BundleFiles
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.stores.artifacts.model_registry import CHALLENGER, ModelRegistry
from pmmds_serving.model.cache import ChallengerStamp, ModelCache
from pmmds_serving.model.fetcher import ModelFetcher
from pmmds_serving.model.verification import NO_RECORD, Judgement

LOOK_SECONDS = 2.0
REFUSED_RETRY_SECONDS = 15.0
NOBODY = ChallengerStamp("")

log = get_logger("pmmds.serving.challenger_watch")


def _no_further_check(_: BundleFiles) -> Judgement:
    """A challenger has no promotion whose record could be compared, and is never a pickle here."""
    return Judgement(NO_RECORD)


class ChallengerWatch:
    """Brings the challenger's stamp to where its alias is; whatever is wrong with it concerns nobody else."""

    def __init__(self, registry: ModelRegistry, cache: ModelCache, contract: Contract) -> None:
        self._registry = registry
        self._cache = cache
        self._model_name = contract.model_name
        self._fetcher = ModelFetcher(registry, cache, contract)
        self._look_at = self._retry_at = 0.0

    def look(self) -> None:
        """Ask the registry, when it is time again. Raises OSError when the stamp cannot be written."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        before = self._cache.read_challenger()
        try:
            after = self._followed(before)
        except RegistryUnavailableError:
            return  # the watcher of production tells it, and a challenger that is here can go on
        if after == before:
            return
        self._cache.write_challenger(after)
        if after.problem:
            log.warning("challenger_not_shadowed", model_version=after.version, problem=after.problem)
        elif after.version:
            log.info("challenger_fetched", model_name=self._model_name, model_version=after.version)

    def _followed(self, before: ChallengerStamp | None) -> ChallengerStamp:
        version = self._registry.version_of(self._model_name, CHALLENGER)
        production = self._cache.read_stamp()
        if version is None or (production is not None and production.version == version.version):
            return NOBODY
        is_known = before is not None and before.version == version.version
        if before is not None and is_known and (not before.problem or time.monotonic() < self._retry_at):
            return before
        self._retry_at = time.monotonic() + REFUSED_RETRY_SECONDS
        try:
            self._fetcher.fetch(version, _no_further_check, portable_only=True)
        except RegistryUnavailableError:
            raise
        except PmmdsError as error:
            return ChallengerStamp(version.version, error.message)
        return ChallengerStamp(version.version)
