"""The model bundle: a folder of small files to serve a model version without MLflow, pandas or scikit-learn.

A bundle is first read, then verified by the caller, then loaded. Add new bundle files, and the code that loads them, to
this module. Not here: reading and hashing its files (bundle_files.py), storing bundles (stores/artifacts).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pmmds_core.contracts.contract import FeatureValue
from pmmds_core.errors import ArtifactCorruptError, ModelNotTrustedError
from pmmds_core.models.bundle_files import (
    CALIBRATION,
    CARD,
    GOLDEN,
    MANIFEST,
    PROFILE,
    ROWS,
    SCORER,
    BundleFiles,
    CorruptIfItFails,
    Manifest,
    files_digest,
    model_digest,
    read_bundle,
)
from pmmds_core.models.calibration import Calibration, check_calibration
from pmmds_core.models.pipeline_scorer import PIPELINE, FrameColumns, load_pipeline
from pmmds_core.models.portable_scorer import Scorer, load_scorer
from pmmds_core.models.scorer_checks import check_scorer
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.profiling.reference_rows import ReferenceRows

__all__ = [
    "CALIBRATION",
    "CARD",
    "GOLDEN",
    "GOLDEN_TOLERANCE",
    "MANIFEST",
    "PROFILE",
    "ROWS",
    "SCORER",
    "Bundle",
    "BundleFiles",
    "Golden",
    "Manifest",
    "files_digest",
    "load_bundle",
    "model_digest",
    "open_bundle",
    "profile_of",
    "read_bundle",
    "write_bundle",
]

# The maximum absolute difference between the probabilities of the portable scorer and the pipeline.
GOLDEN_TOLERANCE = 1e-12


class Golden(msgspec.Struct, frozen=True):
    """Rows with features in the contract's order, and the trained pipeline's probabilities for these rows."""

    rows: tuple[tuple[FeatureValue, ...], ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Bundle:
    """A loaded bundle that is ready to score.

    `files_digest` is the result of the function `files_digest`. `described` has the verified bytes of the files that
    are decoded on access, which are the calibration and the reference rows, by file name.
    """

    directory: Path
    manifest: Manifest
    scorer: Scorer
    profile: ReferenceProfile
    files_digest: str
    described: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        return model_digest(self.manifest)

    @property
    def calibration(self) -> Calibration | None:
        """The calibration on the reference data, or None if the bundle has none."""
        return Calibration.from_json(self.described[CALIBRATION]) if CALIBRATION in self.described else None

    @property
    def reference_rows(self) -> ReferenceRows | None:
        """The bin numbers of the reference rows, or None if the bundle has none."""
        return ReferenceRows.from_json(self.described[ROWS]) if ROWS in self.described else None


def write_bundle(directory: Path, files: dict[str, bytes], manifest_without_files: Manifest) -> Manifest:
    """Write `files` and a manifest with their sha256 digests into an existing, empty folder."""
    for name, content in files.items():
        (directory / name).write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    manifest = msgspec.structs.replace(manifest_without_files, files=hashes)
    (directory / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    return manifest


def load_bundle(directory: Path) -> Bundle:
    """Read and load a bundle without a pickle. Raises the same errors as `read_bundle` and `open_bundle`."""
    return open_bundle(read_bundle(directory))


def open_bundle(files: BundleFiles, *, may_unpickle: bool = False) -> Bundle:
    """Load a bundle from bytes that were already read and hashed. Does not read the disk.

    Args:
        files: result of `read_bundle`, verified by the caller if necessary.
        may_unpickle: True if the caller found the files' digest in a promotion record and PMMDS_MODEL_PICKLE allows
            pickles, or if the current run created the files.

    Raises:
        ArtifactCorruptError: the content is invalid, or the scorer does not reproduce the golden predictions.
        ModelNotTrustedError: it is a pickle and `may_unpickle` is False.
        ModelError: it is a pipeline, and a library that it needs is not installed here.
    """
    if files.is_pickle and not may_unpickle:
        raise pickle_refused(files)
    with CorruptIfItFails(files.directory):
        profile = profile_of(files)
        scorer = _load_scorer(files, profile)
        _check_golden(scorer, files)
        _check_described(files)
    described = {name: files.contents[name] for name in (CALIBRATION, ROWS) if name in files.contents}
    return Bundle(files.directory, files.manifest, scorer, profile, files.files_digest, described)


def pickle_refused(files: BundleFiles) -> ModelNotTrustedError:
    return ModelNotTrustedError(
        f"The model in {files.directory} is a pickled scikit-learn pipeline, and loading a pickle runs code.",
        next_step="It is loaded only if PMMDS_MODEL_PICKLE=allowed and a decision recorded its digest. Candidates with "
        "a portable scorer require neither.",
    )


def profile_of(files: BundleFiles) -> ReferenceProfile:
    """Return the reference profile without loading the scorer. Raises ArtifactCorruptError."""
    with CorruptIfItFails(files.directory):
        try:
            profile = ReferenceProfile.from_json(files.contents[PROFILE])
        except msgspec.DecodeError as error:
            raise ArtifactCorruptError(
                f"The reference profile {files.directory / PROFILE} is invalid: {error}.",
                next_step="Train a new model with `pmmds train`.",
            ) from None
        if tuple(f.bins.feature for f in profile.features) != files.manifest.feature_names:
            raise ArtifactCorruptError(
                f"The features of the reference profile in {files.directory} differ from those of the model."
            )
    return profile


def _load_scorer(files: BundleFiles, profile: ReferenceProfile) -> Scorer:
    if files.is_pickle:
        return load_pipeline(msgspec.json.decode(files.contents[SCORER], type=FrameColumns), files.contents[PIPELINE])
    scorer = load_scorer(files.contents[SCORER])
    if scorer.kind != files.manifest.scorer_kind:
        raise ArtifactCorruptError(f"The kind of the scorer in {files.directory} differs from its manifest.")
    check_scorer(scorer, [f.bins.kind == "numeric" for f in profile.features])
    return scorer


def _check_golden(scorer: Scorer, files: BundleFiles) -> None:
    golden = msgspec.json.decode(files.contents[GOLDEN], type=Golden)
    n_features = len(files.manifest.feature_names)
    if not golden.rows or any(len(row) != n_features for row in golden.rows):
        raise ArtifactCorruptError(
            f"The golden rows in {files.directory} are missing or do not have {n_features} features each."
        )
    for actual, expected in zip(scorer.probabilities(golden.rows), golden.probabilities, strict=True):
        if not (abs(actual - expected) <= GOLDEN_TOLERANCE and 0.0 <= actual <= 1.0):
            raise ArtifactCorruptError(
                f"The model in {files.directory} does not reproduce its golden predictions "
                f"({actual!r} instead of {expected!r})."
            )


def _check_described(files: BundleFiles) -> None:
    """Check the files that are decoded on access, so that decoding them later cannot fail."""
    if CALIBRATION in files.contents:
        check_calibration(Calibration.from_json(files.contents[CALIBRATION]))
    if ROWS in files.contents:
        _ = ReferenceRows.from_json(files.contents[ROWS]).codes
