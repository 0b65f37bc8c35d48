"""Caches bundles and reference profiles of model versions in files, so that each version is downloaded once.

Versions are immutable, so the cache never expires. Files are hashed before they are loaded; a pickle is loaded only if
its digest has been recorded. Not here: fitting profiles (profiling).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pmmds_core.errors import ArtifactCorruptError, NoModelError
from pmmds_core.models.bundle import Bundle, BundleFiles, open_bundle, profile_of, read_bundle
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.stores.artifacts.model_registry import ModelRegistry


class ProfileCache:
    """Caches verified bundles and reference profiles by model version."""

    def __init__(
        self,
        registry: ModelRegistry,
        model_name: str,
        folder: Path,
        *,
        allows_pickle: bool = False,
        record: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """
        Args:
            registry: the registry to download uncached versions from.
            model_name: the model's name in the registry.
            folder: the cache folder.
            allows_pickle: True if PMMDS_MODEL_PICKLE allows loading pickles.
            record: returns the files digest that a decision recorded for a version; None if there is none.
        """
        self._registry = registry
        self._model_name = model_name
        self._folder = folder
        self._allows_pickle = allows_pickle
        self._record = record
        self._profiles: dict[str, ReferenceProfile] = {}

    def files(self, version: str) -> BundleFiles:
        """Return a version's files, which are read and hashed but not loaded.

        Raises:
            NoModelError: no such version.
            ArtifactCorruptError: the registry's files differ from the registered ones.
        """
        folder = self._folder / self._model_name / version
        if folder.is_dir():
            # A cached copy may be damaged on disk; the registry's copy is authoritative.
            with suppress(ArtifactCorruptError):
                return read_bundle(folder)
        self._registry.download_bundle(self._model_name, version, folder)
        return read_bundle(folder)

    def bundle(self, version: str, *, made_here: str | None = None) -> Bundle:
        """The verified bundle of a version.

        Args:
            version: version of the model.
            made_here: digest of the files that the current run registered; a pickle among them needs no record.

        Raises:
            NoModelError: no such version.
            ArtifactCorruptError: the registry's files differ from the registered ones.
            ModelNotTrustedError: the bundle is a pickle that may not be loaded.
        """
        return self._opened(version, self.files(version), made_here)

    def check(self, version: str) -> None:
        """Check that `bundle` would succeed, raising the same errors; never loads a pickle without a record."""
        files = self.files(version)
        if not files.is_pickle or self._may_unpickle(version, files, None):
            self._opened(version, files, None)

    def profile(self, version: str) -> ReferenceProfile | None:
        """Return a version's reference profile without loading its scorer; None if the version is not registered."""
        if version not in self._profiles:
            try:
                self._profiles[version] = profile_of(self.files(version))
            except NoModelError:
                return None
        return self._profiles[version]

    def _opened(self, version: str, files: BundleFiles, made_here: str | None) -> Bundle:
        return open_bundle(files, may_unpickle=files.is_pickle and self._may_unpickle(version, files, made_here))

    def _may_unpickle(self, version: str, files: BundleFiles, made_here: str | None) -> bool:
        return self._allows_pickle and files.files_digest in (made_here, self._record(version))
