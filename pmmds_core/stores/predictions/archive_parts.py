"""Archived parts as recorded in the database, and the comparison of each record with its file.

Any login that may archive can record a part, so a record alone is not reliable. The file must exist and have the
recorded size, number of rows and content. Not here: writing parts (archive.py), reading rows (archived_rows.py).
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
    """One of a day's archive files, as recorded in `prediction_archives`.

    `n_repeated` is the number of rows that were not written because an earlier part contains them. `digest` is the
    SHA-256 digest of the file's values and their order.
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
    """Return the path of the part's file.

    Raise DataError if the name could lead outside the archive's folder.
    """
    if not _FILE_NAME.fullmatch(part.file):
        raise DataError(
            f"prediction_archives lists the file {part.file!r} for {part.day:%Y-%m-%d}. This is not a plain file name.",
            next_step="No file was read. Find out who inserted that row.",
        )
    return folder / part.file


def checked_paths(parts: Sequence[Part], folder: Path) -> list[Path]:
    """Return the files of the parts after checking the size and number of rows of each file.

    Raises:
        DataError: if a file is missing or differs from its record. A part is never treated as empty.
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
    """Describe how the part's file differs from its record, or return an empty string if they agree.

    Args:
        part: the recorded part.
        folder: the archive's folder.
        with_content: whether to compare the digest as well, which reads the whole file.

    Raises:
        DataError: if the recorded name is not a plain file name.
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
