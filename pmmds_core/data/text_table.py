"""Read a CSV or Parquet file as columns of uninterpreted text with line numbers.

Not here: converting the text by a contract (reader.py).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmmds_core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

PARQUET_MAGIC = b"PAR1"
PARQUET_SUFFIXES = frozenset({".parquet", ".pq"})
N_EXAMPLES = 3

Cells = Sequence[str]


@dataclass(frozen=True)
class TextTable:
    """Columns of stripped text of equal length.

    `row_numbers`: the line of each row (the header is line 1), or the row number from 1 if the source has no lines.
    `row_word`: "line" or "row" accordingly, for messages.
    """

    name: str
    columns: Mapping[str, Cells]
    row_numbers: Sequence[int]
    row_word: str = "line"

    @property
    def n_rows(self) -> int:
        return len(self.row_numbers)


def read_table(path: Path) -> TextTable:
    """Read a file as Parquet if it starts with Parquet's magic bytes or has its suffix, else as CSV.

    Raises:
        DataError: unreadable, empty, or not a valid file of its format.
    """
    raw = _read_bytes(path)
    if raw.startswith(PARQUET_MAGIC) or path.suffix in PARQUET_SUFFIXES:
        return _parquet(raw, path.name)
    return _csv(_decode(raw, path.name), path.name)


def table_from_frame(frame: pd.DataFrame, name: str) -> TextTable:
    """Convert a data frame to text; missing values become empty cells, whole floats lose their `.0`."""
    columns = {str(column): [_text(value) for value in frame[column].tolist()] for column in frame.columns}
    return TextTable(name, columns, range(1, len(frame) + 1), "row")


def _read_bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"The data file {path} cannot be read: {error.strerror}.",
            next_step="Set PMMDS_DATA_PATH to a readable CSV or Parquet file.",
        ) from None
    if not raw.strip():
        raise DataError(f"The data file {path} is empty.", next_step="Expected a header line and at least one row.")
    return raw


def _parquet(raw: bytes, name: str) -> TextTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        frame = pq.read_table(pa.BufferReader(raw)).to_pandas()
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"{name} is not a readable Parquet file: {reason}.", next_step="Export the file again."
        ) from None
    table = table_from_frame(frame, name)
    _need_rows(table)
    return table


def _decode(raw: bytes, name: str) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name} is not UTF-8 text: line {line} contains the byte 0x{raw[error.start]:02x}.",
            next_step="Save it as CSV in UTF-8, or as Parquet.",
        ) from None
    if "\0" in text:
        raise DataError(f"{name} is not a CSV file: it contains NUL bytes.", next_step="Save it as CSV in UTF-8.")
    return text


def _csv(text: str, name: str) -> TextTable:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[list[str]] = []
    numbers: list[int] = []
    try:
        header = [cell.strip() for cell in next(row for row in reader if row)]
        _check_header(header, name)
        for row in reader:
            if row:
                rows.append(row)
                numbers.append(reader.line_num)
    except csv.Error as error:
        raise DataError(
            f"{name}, line {reader.line_num}: invalid CSV: {error}.", next_step="Check the quotes near this line."
        ) from None
    _check_widths(rows, numbers, len(header), name)
    columns = zip(*rows, strict=True) if rows else ([] for _ in header)
    stripped = {key: [cell.strip() for cell in cells] for key, cells in zip(header, columns, strict=True)}
    table = TextTable(name, stripped, numbers)
    _need_rows(table)
    return table


def _check_header(header: list[str], name: str) -> None:
    if len(header) == 1:
        separator = next((mark for mark in (";", "\t", "|") if mark in header[0]), None)
        if separator:
            raise DataError(
                f"{name}, line 1: the columns are separated by {separator!r}.", next_step="Save it with commas."
            )
    duplicates = sorted({column for column in header if header.count(column) > 1})
    if duplicates:
        raise DataError(f"{name}, line 1: duplicate column names: {', '.join(map(repr, duplicates))}.")


def _check_widths(rows: list[list[str]], numbers: list[int], width: int, name: str) -> None:
    odd = [(number, len(row)) for number, row in zip(numbers, rows, strict=True) if len(row) != width]
    if odd:
        examples = ", ".join(f"line {number} has {found}" for number, found in odd[:N_EXAMPLES])
        raise DataError(
            f"{name}: {len(odd)} of {len(rows)} rows do not have {width} cells like the header ({examples}).",
            next_step="No rows were loaded. Check that the file is comma-separated and complete.",
        )


def _need_rows(table: TextTable) -> None:
    if table.n_rows == 0:
        raise DataError(f"{table.name} has a header but no rows.", next_step="Expected at least one row.")


def _text(value: Any) -> str:
    """A value as a CSV cell."""
    if isinstance(value, float):
        if value != value:
            return ""
        return str(int(value)) if value.is_integer() else repr(value)
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return ""
    return str(value).strip()
