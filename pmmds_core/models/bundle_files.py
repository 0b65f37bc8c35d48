"""Reads and hashes the files of a model bundle, without running its code or loading its content.

Add checks that must precede verification here. Not here: loading (bundle.py), artifact verification
(the callers).
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from pmmds_core.errors import ArtifactCorruptError, PmmdsError
from pmmds_core.models.pipeline_scorer import KIND as PIPELINE_KIND
from pmmds_core.models.pipeline_scorer import PIPELINE

MANIFEST = "manifest.json"
SCORER = "scorer.json"
GOLDEN = "golden.json"
PROFILE = "reference_profile.json"
ROWS = "reference_rows.json"
CARD = "model_card.md"
CALIBRATION = "calibration.json"


# The maximum total size of a bundle's files, and the maximum number of files in the manifest.
MAX_BYTES = 500_000_000
MAX_MANIFEST_BYTES = 10_000_000
MAX_FILES = 100
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_REQUIRED = (SCORER, GOLDEN, PROFILE)


class Manifest(msgspec.Struct, frozen=True):
    """A description of a bundle. `files` maps the name of every other file to its sha256 digest."""

    model_name: str
    scorer_kind: str
    contract_digest: str
    feature_names: tuple[str, ...]
    metrics: dict[str, float]
    files: dict[str, str]
    details: dict[str, Any] = {}


@dataclass(frozen=True)
class BundleFiles:
    """All files that are listed in the manifest, read and hashed. Other files are never read."""

    directory: Path
    manifest: Manifest
    contents: Mapping[str, bytes]
    files_digest: str

    @property
    def is_pickle(self) -> bool:
        """True if loading the bundle runs code that is part of it."""
        return self.manifest.scorer_kind == PIPELINE_KIND

    @property
    def digest(self) -> str:
        return model_digest(self.manifest)


def model_digest(manifest: Manifest) -> str:
    """Return the sha256 over the hashes of the files that determine predictions.

    It is equal for equal data and seeds.
    """
    decisive = [manifest.files[SCORER], manifest.files[PROFILE], manifest.contract_digest]
    if PIPELINE in manifest.files:
        decisive.append(manifest.files[PIPELINE])
    return hashlib.sha256("\n".join(decisive).encode()).hexdigest()


def files_digest(manifest: bytes) -> str:
    """Return the sha256 of the manifest, which changes if any file of the bundle changes."""
    return hashlib.sha256(manifest).hexdigest()


def listed_names(manifest: bytes, place: Path) -> tuple[str, ...]:
    """Return the names of the files listed in a manifest. Raises ArtifactCorruptError.

    Args:
        manifest: the bytes of the manifest file.
        place: its folder, for messages.
    """
    with CorruptIfItFails(place):
        return tuple(_manifest(manifest, place).files)


def read_bundle(directory: Path) -> BundleFiles:
    """Read every listed file once and verify its sha256.

    Raises:
        ArtifactCorruptError: a file is missing, changed or too large, or its name is not a plain file name.
    """
    with CorruptIfItFails(directory):
        listed = _read(directory / MANIFEST, MAX_MANIFEST_BYTES)
        manifest = _manifest(listed, directory)
        contents: dict[str, bytes] = {}
        left = MAX_BYTES
        for name, expected in manifest.files.items():
            contents[name] = _verified(directory / name, expected, left)
            left -= len(contents[name])
        return BundleFiles(directory, manifest, contents, files_digest(listed))


class CorruptIfItFails:
    """Context manager that converts errors caused by a bundle's content to ArtifactCorruptError.

    A PmmdsError is not converted.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        if not isinstance(error, Exception) or isinstance(error, PmmdsError):
            return
        why = str(error).splitlines()[0][:200] if isinstance(error, msgspec.DecodeError) else type(error).__name__
        raise ArtifactCorruptError(
            f"The model files in {self._directory} are corrupt: {why}.",
            next_step="Promote another version or train a new one.",
        ) from None


def _manifest(listed: bytes, directory: Path) -> Manifest:
    try:
        manifest: Manifest = msgspec.json.decode(listed, type=Manifest)
    except msgspec.DecodeError as error:
        raise ArtifactCorruptError(f"The model file {directory / MANIFEST} is invalid: {error}.") from None
    odd = [name for name in manifest.files if not _PLAIN_NAME.fullmatch(name) or name == MANIFEST]
    if odd:
        raise ArtifactCorruptError(
            f"The manifest in {directory} lists {odd[0][:100]!r}, which is not allowed: list only plain file names "
            f"without a folder, and not the manifest itself."
        )
    if len(manifest.files) > MAX_FILES:
        raise ArtifactCorruptError(
            f"The manifest in {directory} lists {len(manifest.files):,} files, more than {MAX_FILES}."
        )
    required = (*_REQUIRED, PIPELINE) if manifest.scorer_kind == PIPELINE_KIND else _REQUIRED
    missing = [name for name in required if name not in manifest.files]
    if missing:
        raise ArtifactCorruptError(f"The manifest in {directory} does not list {missing[0]}.")
    return manifest


def _verified(path: Path, expected: str, max_bytes: int) -> bytes:
    content = _read(path, max_bytes)
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise ArtifactCorruptError(
            f"The model file {path.name} in {path.parent} does not match its sha256 "
            f"({actual[:12]}… instead of {expected[:12]}…)."
        )
    return content


def _read(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file of at most `max_bytes`.

    Pipes and devices are rejected, because reading them could block.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ArtifactCorruptError(f"The model file {path} is not a regular file.")
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise ArtifactCorruptError(f"The model file {path} cannot be read: {error.strerror}.") from None
    if len(content) > max_bytes:
        raise ArtifactCorruptError(f"The model file {path} exceeds the bundle's limit of {MAX_BYTES:,} bytes.")
    return content
