"""Reference profiles of model versions, kept in files so that the registry is asked once a version.

A version never changes, so what was fetched stays true. Keep out: fitting and judging profiles.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from pmmds_core.bundle import PROFILE, Bundle, load_bundle
from pmmds_core.errors import ArtifactCorruptError, NoModelError
from pmmds_core.reference_profile import ReferenceProfile
from pmmds_core.stores.model_registry import ModelRegistry


class ProfileCache:
    """Verified bundles and their profiles, by model version."""

    def __init__(self, registry: ModelRegistry, model_name: str, folder: Path) -> None:
        self._registry = registry
        self._model_name = model_name
        self._folder = folder
        self._profiles: dict[str, ReferenceProfile] = {}

    def bundle(self, version: str) -> Bundle:
        """The verified bundle of a version.

        Raises:
            NoModelError: no such version.
            ArtifactCorruptError: what the registry gave is not what was registered.
        """
        folder = self._folder / self._model_name / version
        if folder.is_dir():
            # A kept copy may have suffered on this disk; what the registry gives decides.
            with suppress(ArtifactCorruptError):
                return load_bundle(folder)
        self._registry.download_bundle(self._model_name, version, folder)
        return load_bundle(folder)

    def profile(self, version: str) -> ReferenceProfile | None:
        """The reference profile of a version; None when the registry has no such version."""
        if version not in self._profiles:
            kept = self._folder / self._model_name / version / PROFILE
            try:
                self._profiles[version] = (
                    ReferenceProfile.from_json(kept.read_bytes()) if kept.exists() else self.bundle(version).profile
                )
            except NoModelError:
                return None
        return self._profiles[version]
