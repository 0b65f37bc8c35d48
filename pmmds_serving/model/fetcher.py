"""Downloads a model version into this machine's cache and verifies it.

Not here: choosing the version (watcher.py), comparing it with its promotion record (verification.py).
"""

from __future__ import annotations

from collections.abc import Callable

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import ArtifactCorruptError, NotCompilableError, RegistryUnavailableError
from pmmds_core.models.bundle import Bundle, BundleFiles, open_bundle, read_bundle
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.stores.artifacts.model_registry import ModelRegistry, RegisteredVersion
from pmmds_serving.model.cache import ModelCache
from pmmds_serving.model.verification import Verification

log = get_logger("pmmds.serving.model_fetching")


class ModelFetcher:
    """Fetches verified bundles of one contract's model into the cache."""

    def __init__(self, registry: ModelRegistry, cache: ModelCache, contract: Contract) -> None:
        self._registry = registry
        self._cache = cache
        self._contract = contract

    def fetch(
        self, version: RegisteredVersion, verify: Callable[[BundleFiles], Verification], *, portable_only: bool = False
    ) -> tuple[Bundle, Verification]:
        """Read and hash the files, verify them, then load the bundle.

        A damaged bundle in the cache is downloaded once more.

        Args:
            version: the version as registered.
            verify: called before anything is loaded; its ArtifactCorruptError counts as damage.
            portable_only: reject a version that needs its training libraries, before they are imported.

        Raises:
            ArtifactCorruptError: its files differ from the registered ones, or its features from the contract's.
            ModelNotTrustedError: `verify` rejected it; nothing was loaded.
            NotCompilableError: it has no portable scorer.
            RegistryUnavailableError, NoModelError: it cannot be downloaded.
        """
        folder = self._cache.bundle_folder(version.version)
        if folder.is_dir():
            try:
                return self._loaded(version, verify, portable_only=portable_only)
            except ArtifactCorruptError as error:
                log.warning("cached_model_damaged", problem=error.message)
        self._download(version)
        return self._loaded(version, verify, portable_only=portable_only)

    def _download(self, version: RegisteredVersion) -> None:
        try:
            self._registry.download_bundle(
                version.model_name, version.version, self._cache.bundle_folder(version.version)
            )
        except RegistryUnavailableError as error:
            raise RegistryUnavailableError(
                f"v{version.version} could not be downloaded: {error.message}", next_step=error.next_step
            ) from error

    def _loaded(
        self, version: RegisteredVersion, verify: Callable[[BundleFiles], Verification], *, portable_only: bool
    ) -> tuple[Bundle, Verification]:
        files = read_bundle(self._cache.bundle_folder(version.version))
        if portable_only and files.is_pickle:
            raise NotCompilableError(
                f"v{version.version} has no portable scorer and needs the libraries it was trained with."
            )
        self._check(version, files)
        verification = verify(files)
        return open_bundle(files, may_unpickle=verification.may_unpickle), verification

    def _check(self, version: RegisteredVersion, files: BundleFiles) -> None:
        if version.digest and files.digest != version.digest:
            raise ArtifactCorruptError(
                f"The files of v{version.version} differ from those that were registered "
                f"(digest {files.digest[:12]}… instead of {version.digest[:12]}…).",
                next_step="Promote another version or train again.",
            )
        if files.manifest.model_name != self._contract.model_name:
            raise ArtifactCorruptError(
                f"v{version.version} does not contain the model {self._contract.model_name}.",
                next_step="Promote another version or train again.",
            )
        if files.manifest.feature_names != self._contract.feature_names:
            raise ArtifactCorruptError(
                f"v{version.version} has different features than the contract {self._contract.name}.",
                next_step="Train a model for this contract with `pmmds train`.",
            )
