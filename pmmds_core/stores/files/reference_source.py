"""Chooses the reference data: the configured file, the downloaded one, or the packaged synthetic sample.

Not here: reading (data/reader.py), downloading (openml_download.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.data.reader import SourceData, content_digest, read_source
from pmmds_core.errors import DataError
from pmmds_core.runtime.plurals import counted
from pmmds_core.synthetic.generator import packaged_generator

SourceKind = Literal["file", "downloaded", "sample"]

# The row count equals the real file's. Changing either value changes the digest of every model trained on the sample.
SAMPLE_ROWS = 7043
SAMPLE_SEED = 2024


@dataclass(frozen=True)
class ReferenceSource:
    """The reference rows, their source and its description."""

    data: SourceData
    kind: SourceKind
    description: str


@dataclass(frozen=True)
class SourceChoice:
    """The chosen source, which has not been read yet; `path` is None for the sample."""

    kind: SourceKind
    path: Path | None


def downloaded_path(home: Path, contract: Contract) -> Path:
    """The path of the file that `pmmds data download` saves."""
    return home / "data" / f"{contract.name}.csv"


def choose_source(settings: Settings, contract: Contract) -> SourceChoice:
    """Choose PMMDS_DATA_PATH, otherwise the downloaded file, otherwise the sample.

    Raises:
        DataError: there is no source; only the packaged contract has a sample.
    """
    if settings.data_path:
        return SourceChoice("file", Path(settings.data_path).expanduser())
    downloaded = downloaded_path(settings.home_path, contract)
    if downloaded.exists():
        return SourceChoice("downloaded", downloaded)
    if not contract.is_packaged:
        raise DataError(
            f"There is no reference data for the contract {contract.name!r}.",
            next_step="Set PMMDS_DATA_PATH to a CSV or Parquet file that matches it.",
        )
    return SourceChoice("sample", None)


def load_reference(settings: Settings, contract: Contract) -> ReferenceSource:
    """Read the reference rows.

    Raises:
        DataError: there is no source, or the file is invalid.
    """
    choice = choose_source(settings, contract)
    if choice.path is None:
        data = packaged_sample(contract)
        description = (
            f"packaged synthetic sample ({counted(data.n_rows, 'row')}, seed {SAMPLE_SEED}; not real customers)"
        )
        return ReferenceSource(data, choice.kind, description)
    data = read_source(choice.path, contract)
    origin = "file named by PMMDS_DATA_PATH" if choice.kind == "file" else "public file downloaded from OpenML"
    return ReferenceSource(data, choice.kind, f"{origin}: {choice.path} ({counted(data.n_rows, 'row')})")


def packaged_sample(contract: Contract) -> SourceData:
    """Return the synthetic sample that stands in for the real Telco file; deterministic."""
    frame = packaged_generator().sample(SAMPLE_ROWS, SAMPLE_SEED)
    return SourceData("packaged synthetic sample", frame, None, len(frame), content_digest(frame))
