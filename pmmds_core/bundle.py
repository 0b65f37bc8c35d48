"""The model bundle: a folder of small files that serves a model version without MLflow, pandas or scikit-learn.

Add here what a bundle consists of and how it is verified. Keep out: where bundles are kept (stores).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pmmds_core.calibration import Calibration
from pmmds_core.contracts.contract import FeatureValue
from pmmds_core.errors import ArtifactCorruptError
from pmmds_core.pipeline_scorer import KIND as PIPELINE_KIND
from pmmds_core.pipeline_scorer import PIPELINE, FrameColumns, load_pipeline
from pmmds_core.reference_profile import ReferenceProfile
from pmmds_core.row_codes import ReferenceRows
from pmmds_core.scorer import Scorer, load_scorer

MANIFEST = "manifest.json"
SCORER = "scorer.json"
GOLDEN = "golden.json"
PROFILE = "reference_profile.json"
ROWS = "reference_rows.json"
CARD = "model_card.md"
CALIBRATION = "calibration.json"

# The portable scorer and the pipeline must agree this closely, absolutely.
GOLDEN_TOLERANCE = 1e-12


class Manifest(msgspec.Struct, frozen=True):
    """What a bundle says of itself; `files` maps each other file to its sha256."""

    model_name: str
    scorer_kind: str
    contract_digest: str
    feature_names: tuple[str, ...]
    metrics: dict[str, float]
    files: dict[str, str]
    details: dict[str, Any] = {}


class Golden(msgspec.Struct, frozen=True):
    """Rows (in the contract's order) and the probabilities that the trained pipeline gave them."""

    rows: tuple[tuple[FeatureValue, ...], ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, ready to score. `files_digest`: see the function of that name."""

    directory: Path
    manifest: Manifest
    scorer: Scorer
    profile: ReferenceProfile
    files_digest: str

    @property
    def digest(self) -> str:
        return model_digest(self.manifest)

    @property
    def calibration(self) -> Calibration | None:
        """From score to probability on the reference; None in bundles that were written without it."""
        if CALIBRATION not in self.manifest.files:
            return None
        return Calibration.from_json(_read(self.directory / CALIBRATION))

    @property
    def reference_rows(self) -> ReferenceRows | None:
        """Bin numbers of reference rows; None for a version that was made without them."""
        return ReferenceRows.from_json(_read(self.directory / ROWS)) if ROWS in self.manifest.files else None


def model_digest(manifest: Manifest) -> str:
    """sha256 over the manifest's file hashes that decide predictions: the same data and seed give the same digest."""
    decisive = [manifest.files[SCORER], manifest.files[PROFILE], manifest.contract_digest]
    if PIPELINE in manifest.files:
        decisive.append(manifest.files[PIPELINE])
    return hashlib.sha256("\n".join(decisive).encode()).hexdigest()


def files_digest(manifest: bytes) -> str:
    """sha256 of a manifest as it is written: any file of the bundle that changes, changes it."""
    return hashlib.sha256(manifest).hexdigest()


def write_bundle(directory: Path, files: dict[str, bytes], manifest_without_files: Manifest) -> Manifest:
    """Write `files` and a manifest that names their sha256 into an existing, empty folder."""
    for name, content in files.items():
        (directory / name).write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    manifest = msgspec.structs.replace(manifest_without_files, files=hashes)
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    return manifest


def read_manifest(directory: Path) -> Manifest:
    """What a bundle says of itself, before anything of it is loaded. Raises ArtifactCorruptError."""
    manifest: Manifest = _decode(directory / MANIFEST, Manifest)
    return manifest


def load_bundle(directory: Path) -> Bundle:
    """Read and verify a bundle.

    Raises:
        ArtifactCorruptError: a file is missing or changed, or the scorer does not give the golden predictions.
        ModelError: it is a pipeline, and a library that it needs is not installed here.
    """
    listed = _read(directory / MANIFEST)
    manifest = _decoded(listed, directory / MANIFEST, Manifest)
    for name, expected in manifest.files.items():
        found = hashlib.sha256(_read(directory / name)).hexdigest()
        if found != expected:
            raise ArtifactCorruptError(
                f"The model file {name} in {directory} does not match its sha256 "
                f"({found[:12]}… instead of {expected[:12]}…)."
            )
    scorer = _load_scorer(manifest, directory)
    _check_golden(scorer, _decode(directory / GOLDEN, Golden), directory)
    return Bundle(directory, manifest, scorer, _load_profile(directory / PROFILE), files_digest(listed))


def _load_profile(path: Path) -> ReferenceProfile:
    try:
        return ReferenceProfile.from_json(_read(path))
    except msgspec.DecodeError as error:
        raise ArtifactCorruptError(
            f"The reference profile {path} cannot be read by this version of PMMDS: {error}.",
            next_step="Train a model with this version: `pmmds train`.",
        ) from None


def _load_scorer(manifest: Manifest, directory: Path) -> Scorer:
    if manifest.scorer_kind != PIPELINE_KIND:
        return load_scorer(_read(directory / SCORER))
    return load_pipeline(_decode(directory / SCORER, FrameColumns), _read(directory / PIPELINE))


def _check_golden(scorer: Scorer, golden: Golden, directory: Path) -> None:
    for found, expected in zip(scorer.probabilities(golden.rows), golden.probabilities, strict=True):
        if not abs(found - expected) <= GOLDEN_TOLERANCE:
            raise ArtifactCorruptError(
                f"The model in {directory} does not reproduce its golden predictions "
                f"({found!r} instead of {expected!r})."
            )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactCorruptError(f"The model file {path} cannot be read: {error.strerror}.") from None


def _decode(path: Path, kind: Any) -> Any:
    return _decoded(_read(path), path, kind)


def _decoded(content: bytes, path: Path, kind: Any) -> Any:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise ArtifactCorruptError(f"The model file {path} is not readable: {error}.") from None
