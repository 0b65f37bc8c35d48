"""Archived parts as the database records them, and the comparison of a record with its file.

Any login that may archive can record a part, so a record alone is not reliable: its file must exist and have the
recorded size, rows and content. Not here: writing parts (archive.py), reading rows (archived_rows.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pmmds_core.errors import DataError, StoreError
from pmmds_core.runtime.plurals import counted
from pmmds_core.stores.predictions.parquet_rows import count_rows, read_back

_FILE_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")


@dataclass(frozen=True)
class Part:
    """One file of a day, as `prediction_archives` records it.

    `n_repeated`: number of rows that an earlier part contains and that were not written again. `digest`: sha256 of the
    file's values and their order.
    """

    day: datetime
    part: int
    file: str
    n_rows: int
    n_repeated: int
    n_bytes: int
    digest: str
    archived_at: datetime


def path_of(part: Part, folder: Path) -> Path:
    """The path of the part's file. Raises DataError for a name that could lead outside the archive's folder."""
    if not _FILE_NAME.fullmatch(part.file):
        raise DataError(
            f"prediction_archives lists the file {part.file!r} for {part.day:%Y-%m-%d}; it is not a plain file name.",
            next_step="No file was read. Find out who inserted that row.",
        )
    return folder / part.file


def checked_paths(parts: Sequence[Part], folder: Path) -> list[Path]:
    """The files of the parts, each with the recorded size and number of rows.

    Raises:
        DataError: a file is missing or differs from its record; a part is never treated as empty.
    """
    missing = [path for part in parts if not (path := path_of(part, folder)).exists()]
    if missing:
        raise DataError(
            f"{len(missing)} archived part{'s' * (len(missing) > 1)} of the prediction log cannot be found: "
            f"{missing[0]}.",
            next_step="Set PMMDS_ARCHIVE_PATH to the archive, or restore the files.",
        )
    for part in parts:
        if problem := problem_of(part, folder):
            raise DataError(
                f"An archived part of the prediction log cannot be read: {problem}.",
                next_step="Restore the file from a copy of the archive.",
            )
    return [path_of(part, folder) for part in parts]


def problem_of(part: Part, folder: Path, *, with_content: bool = False) -> str:
    """Describe how the part's file differs from its record; empty if they agree.

    Args:
        part: the record.
        folder: the archive's folder.
        with_content: also compare the digest, which reads the whole file.

    Raises:
        DataError: the recorded name is not a plain file name.
    """
    path = path_of(part, folder)
    try:
        n_bytes = path.stat().st_size
        if n_bytes != part.n_bytes:
            return f"{path} has {counted(n_bytes, 'byte')}, but {part.n_bytes:,} were recorded"
        n_rows = count_rows(path)
        if n_rows != part.n_rows:
            return f"{path} has {counted(n_rows, 'row')}, but {part.n_rows:,} were recorded"
        if with_content and read_back(path).digest != part.digest:
            return f"{path} does not have the recorded values"
    except FileNotFoundError:
        return f"{path} cannot be found"
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    except StoreError as error:
        return error.message.rstrip(".")
    return ""
