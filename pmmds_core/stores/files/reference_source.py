"""Which reference data is in use: the file that was named, the downloaded one, or the packaged synthetic sample.

Add a source here. Keep out: reading (data/reader.py), downloading (openml_download.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.data.reader import SourceData, content_digest, read_source
from pmmds_core.errors import DataError
from pmmds_core.synthetic.generator import packaged_generator

SourceKind = Literal["file", "downloaded", "sample"]

# As many rows as the real file has. Changing either changes every model digest on the sample.
SAMPLE_ROWS = 7043
SAMPLE_SEED = 2024


@dataclass(frozen=True)
class ReferenceSource:
    """The reference rows, where they came from, and that in words for a person."""

    data: SourceData
    kind: SourceKind
    description: str


@dataclass(frozen=True)
class SourceChoice:
    """Which source would be used, without reading it; `path` is None for the sample."""

    kind: SourceKind
    path: Path | None


def downloaded_path(home: Path, contract: Contract) -> Path:
    """Where `pmmds data download` puts the file."""
    return home / "data" / f"{contract.name}.csv"


def choose_source(settings: Settings, contract: Contract) -> SourceChoice:
    """PMMDS_DATA_PATH, else the downloaded file, else the sample.

    Raises:
        DataError: none of the three: only the packaged contract has a sample.
    """
    if settings.data_path:
        return SourceChoice("file", Path(settings.data_path).expanduser())
    downloaded = downloaded_path(settings.home_path, contract)
    if downloaded.exists():
        return SourceChoice("downloaded", downloaded)
    if not contract.is_packaged:
        raise DataError(
            f"There is no reference data for the contract {contract.name!r}.",
            next_step="Set PMMDS_DATA_PATH to a CSV or Parquet file that follows it.",
        )
    return SourceChoice("sample", None)


def load_reference(settings: Settings, contract: Contract) -> ReferenceSource:
    """Read the reference rows.

    Raises:
        DataError: no source, or the file is refused; nothing is half-loaded.
    """
    choice = choose_source(settings, contract)
    if choice.path is None:
        data = packaged_sample(contract)
        words = f"packaged synthetic sample ({data.n_rows:,} rows, seed {SAMPLE_SEED}; not real customers)"
        return ReferenceSource(data, choice.kind, words)
    data = read_source(choice.path, contract)
    origin = "file named by PMMDS_DATA_PATH" if choice.kind == "file" else "public file downloaded from OpenML"
    return ReferenceSource(data, choice.kind, f"{origin}: {choice.path} ({data.n_rows:,} rows)")


def packaged_sample(contract: Contract) -> SourceData:
    """The synthetic sample that stands in for the real Telco file: always the same rows."""
    frame = packaged_generator().sample(SAMPLE_ROWS, SAMPLE_SEED)
    return SourceData("packaged synthetic sample", frame, None, len(frame), content_digest(frame))
