"""A model version from the registry to this machine's cache, verified. Keep out: which version (model_watcher.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pmmds_core.bundle import Bundle, load_bundle, read_manifest
from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import ArtifactCorruptError, NotCompilableError, RegistryUnavailableError
from pmmds_core.pipeline_scorer import KIND as PIPELINE_KIND
from pmmds_core.stores.model_registry import ModelRegistry, RegisteredVersion
from pmmds_core.telemetry import get_logger
from pmmds_serving.model_cache import ModelCache

T = TypeVar("T")

log = get_logger("pmmds.serving.model_fetching")


class ModelFetcher:
    """Brings verified bundles of one contract's model into the cache."""

    def __init__(self, registry: ModelRegistry, cache: ModelCache, contract: Contract) -> None:
        self._registry = registry
        self._cache = cache
        self._contract = contract

    def fetch(
        self, version: RegisteredVersion, judge: Callable[[Bundle], T], *, portable_only: bool = False
    ) -> tuple[Bundle, T]:
        """The verified bundle and what `judge` says of it; one on this disk that is damaged is fetched once more.

        Args:
            version: what the registry says of it.
            judge: a further check, whose ArtifactCorruptError is damage as well.
            portable_only: refuse one that needs the libraries it was trained with, before they are imported.

        Raises:
            ArtifactCorruptError: its files are not those that were registered, or it takes other features.
            NotCompilableError: it has no portable scorer.
            RegistryUnavailableError, NoModelError: it cannot be fetched.
        """
        folder = self._cache.bundle_folder(version.version)
        if folder.is_dir():
            try:
                bundle = self._verified(version, portable_only=portable_only)
                return bundle, judge(bundle)
            except ArtifactCorruptError as error:
                log.warning("cached_model_damaged", problem=error.message)
        self._download(version)
        bundle = self._verified(version, portable_only=portable_only)
        return bundle, judge(bundle)

    def _download(self, version: RegisteredVersion) -> None:
        try:
            self._registry.download_bundle(
                version.model_name, version.version, self._cache.bundle_folder(version.version)
            )
        except RegistryUnavailableError as error:
            raise RegistryUnavailableError(
                f"v{version.version} could not be fetched: {error.message}", next_step=error.next_step
            ) from error

    def _verified(self, version: RegisteredVersion, *, portable_only: bool) -> Bundle:
        folder = self._cache.bundle_folder(version.version)
        if portable_only and read_manifest(folder).scorer_kind == PIPELINE_KIND:
            raise NotCompilableError(
                f"v{version.version} has no portable scorer: it would need the libraries it was trained with."
            )
        bundle = load_bundle(folder)
        if version.digest and bundle.digest != version.digest:
            raise ArtifactCorruptError(
                f"The files of v{version.version} are not those that were registered "
                f"(digest {bundle.digest[:12]}… instead of {version.digest[:12]}…).",
                next_step="Promote another version, or train again.",
            )
        if bundle.manifest.feature_names != self._contract.feature_names:
            raise ArtifactCorruptError(
                f"v{version.version} takes other features than the contract {self._contract.name}.",
                next_step="Train a model for this contract with `pmmds train`.",
            )
        return bundle
