"""Finds the files that match a path, folder or pattern. Not here: opening them (data_file.py)."""

from __future__ import annotations

import glob
from pathlib import Path

from pmmds_core.errors import InputFileError

PARQUET_SUFFIXES = (".parquet", ".pq", ".parq")
_HIDDEN = ("_", ".")  # _SUCCESS, _metadata, .part.crc


def find_files(path: Path) -> list[Path]:
    """Return the file itself, the Parquet files below a folder, or the files that match a pattern, sorted by name.

    The path of an existing file is never treated as a pattern.

    Raises:
        InputFileError: no file matches, the folder has no Parquet file, or the path is not a regular file.
    """
    if path.is_dir():
        return _in_folder(path)
    if path.exists() and not path.is_file():
        raise InputFileError(f"{path} is not a regular file.", next_step="Save its content to a regular file first.")
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    root = Path(path.anchor or ".")
    found = sorted(file for file in root.glob(str(path.relative_to(path.anchor))) if file.is_file())
    if not found:
        raise InputFileError(f"No file matches {path}.", next_step="Put the pattern in quotes and check the folder.")
    return found


def _in_folder(folder: Path) -> list[Path]:
    def is_data(file: Path) -> bool:
        parts = file.relative_to(folder).parts
        return (
            file.suffix.lower() in PARQUET_SUFFIXES and not any(p.startswith(_HIDDEN) for p in parts) and file.is_file()
        )

    found = sorted(file for file in folder.rglob("*") if is_data(file))
    if not found:
        raise InputFileError(
            f"The folder {folder} contains no Parquet files.",
            next_step="Specify one CSV file, or one or more Parquet files.",
        )
    return found
