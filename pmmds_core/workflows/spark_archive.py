"""Counts archived Parquet files with Spark. spark-submit runs this module as deploy/spark/count_archive.py.

Only the driver needs PMMDS, because Spark compiles the counting for the executors. Not here: how rows are counted
(stores/files/spark_counts.py).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from pmmds_core.errors import DataError, InputFileError, NoModelError, PmmdsError
from pmmds_core.profiling.bins import SCORE
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.runtime.plurals import counted
from pmmds_core.stores.files.spark_counts import count_with_spark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SCORE_COLUMN = "probability"


@dataclass(frozen=True)
class ArchiveCounts:
    """The result of a count.

    `counts` maps each feature and `__score__` to the number of rows in each of the profile's bins.
    """

    profile_digest: str
    n_rows: int
    counts: Mapping[str, Sequence[int]]

    def to_json(self) -> bytes:
        """Return canonical JSON. Equal counts give equal bytes, regardless of the engine."""
        return msgspec.json.encode(self, order="sorted")


def count_archive(frame: DataFrame, profile: ReferenceProfile, only: Mapping[str, str]) -> ArchiveCounts:
    """Count rows of the prediction log or its archive in one pass.

    Args:
        frame: rows with the columns of the prediction log.
        profile: the profile that defines the bins.
        only: filter that maps columns to required values, for example `{"model_version": "3"}`.

    Raises:
        DataError: the frame lacks a column.
    """
    from pyspark.sql import functions as f

    missing = [name for name in only if name not in frame.columns]
    if missing:
        raise DataError(
            f"The archive lacks these columns: {', '.join(missing)}.", next_step="Use files of the prediction log."
        )
    for name, value in only.items():
        frame = frame.where(f.col(name) == value)
    counts, n_rows = count_with_spark(frame, profile, {SCORE: SCORE_COLUMN})
    return ArchiveCounts(profile.digest, n_rows, counts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Count archived predictions, and write or print the counts.

    The exit code is 1 on failure and 2 for invalid input.
    """
    given = _parser().parse_args(arguments)
    with ExitStack() as stack:
        try:
            document = _count(given, stack).to_json()
        except PmmdsError as error:
            # The counts are written before Spark stops, because spark-submit may exit before it forwards later output.
            sys.stderr.write(f"Error: {error}\n")
            sys.stderr.flush()
            return error.exit_code
    if given.output is None:
        sys.stdout.write(document.decode() + "\n")
    else:
        from pmmds_core.runtime.atomic_write import write_atomically

        write_atomically(given.output, document)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "files", nargs="+", help="Parquet files, folders or patterns on any file system that Spark supports"
    )
    profile = parser.add_mutually_exclusive_group(required=True)
    profile.add_argument("--profile", type=Path, help="saved profile with which all rows are counted")
    profile.add_argument("--model-version", help="count the rows of this version with its profile from the registry")
    parser.add_argument("--output", type=Path, help="output file; prints to stdout by default")
    return parser


def _count(given: argparse.Namespace, stack: ExitStack) -> ArchiveCounts:
    if given.model_version:
        profile, only, names = _registered(given.model_version)
    else:
        profile, only, names = _saved(given.profile), {}, None
    session = _session()
    stack.callback(session.stop)
    frame = _read(session, given.files)
    if names is not None:
        frame = _read(session, recorded_files(frame.inputFiles(), names))
    return count_archive(frame, profile, only)


def recorded_files(files: Sequence[str], names: Collection[str]) -> list[str]:
    """Return the files that the database records as parts of the archive.

    Other files were left by a crash and contain duplicate rows.

    Args:
        files: percent-encoded URLs of the matching files, as returned by Spark.
        names: file names of the recorded parts.

    Raises:
        InputFileError: none of the files is a recorded part.
    """
    plain = [unquote(file) for file in files]
    recorded = [file for file in plain if file.rpartition("/")[2] in names]
    if not recorded:
        raise InputFileError(
            f"The database records none of the {counted(len(files), 'specified file')} as an archived part.",
            next_step="Specify files of the archive, or count any files with --profile.",
        )
    if len(recorded) < len(files):
        sys.stderr.write(f"Skipped {counted(len(files) - len(recorded), 'file')} not recorded in the database.\n")
    return recorded


def _saved(path: Path) -> ReferenceProfile:
    try:
        return ReferenceProfile.from_json(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise InputFileError(
            f"The profile {path} cannot be read: {error}.", next_step="Use a file that `--save-profile` wrote."
        ) from None


def _registered(version: str) -> tuple[ReferenceProfile, dict[str, str], set[str] | None]:
    """Return the version's profile, the filter for its rows, and the names of the archive's recorded parts."""
    from pmmds_core.deployment import Deployment

    deployment = Deployment.from_environment()
    profile = deployment.profiles.profile(version)
    if profile is None:
        raise NoModelError(
            f"{deployment.model_name} has no version {version}.", next_step="`pmmds decisions` lists versions."
        )
    with deployment.archive.snapshot() as connection:
        names = {part.file for part in deployment.archive.parts(connection)}
    return profile, {"model_name": deployment.model_name, "model_version": version}, names


def _session() -> SparkSession:
    from pyspark.sql import SparkSession

    builder: Any = SparkSession.builder
    session: SparkSession = builder.appName("pmmds-count-archive").getOrCreate()
    return session


def _read(session: SparkSession, files: Sequence[str]) -> DataFrame:
    from pyspark.errors import AnalysisException

    try:
        # Features added to the contract later are null in older files. Without the second option, Spark would add
        # columns from folder names such as `day=2026-03-01`.
        reader = session.read.option("mergeSchema", "true").option("recursiveFileLookup", "true")
        return reader.parquet(*files)
    except AnalysisException as error:
        raise InputFileError(
            f"Spark cannot read {', '.join(files)}: {str(error).splitlines()[0]}",
            next_step="Use Parquet files of the prediction log.",
        ) from None
