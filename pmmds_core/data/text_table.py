"""Reads a CSV or Parquet file as columns of uninterpreted text with line numbers.

Not here: converting the text by a contract (reader.py).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmmds_core.contracts.cells import decimal_text
from pmmds_core.data.compressed import DAMAGED, open_decompressed, other_format
from pmmds_core.data.csv_dialect import N_SAMPLED_ROWS, dialect_of, name_problem
from pmmds_core.data.decimal_mark import decimal_mark_of
from pmmds_core.data.parquet_index import unnamed_index
from pmmds_core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

PARQUET_MAGIC = b"PAR1"
PARQUET_SUFFIXES = frozenset({".parquet", ".pq"})
N_EXAMPLES = 3

Cells = Sequence[str]


@dataclass(frozen=True)
class TextTable:
    """Columns of stripped text, all of the same length.

    `row_numbers` has the line of each row, where the header is line 1, or the row number counted from 1 if the source
    has no lines. `row_word` is "line" or "row" accordingly, for use in messages.
    """

    name: str
    columns: Mapping[str, Cells]
    row_numbers: Sequence[int]
    row_word: str = "line"

    @property
    def n_rows(self) -> int:
        return len(self.row_numbers)

    @cached_property
    def decimal_mark(self) -> str:
        """The decimal mark of the numbers in a CSV file, as `decimal_mark_of` returns it.

        It is empty for other sources, because their numbers have a type.
        """
        return decimal_mark_of(self.columns.values()) if self.row_word == "line" else ""


def read_table(path: Path) -> TextTable:
    """Read a file, which may be compressed.

    The file is read as Parquet if it starts with Parquet's magic bytes, and as CSV otherwise. Columns without a name,
    such as an unnamed pandas index or row names, are left out.

    Raises:
        DataError: the file is unreadable, empty, or not valid in its format.
    """
    raw = _read_bytes(path)
    if raw.startswith(PARQUET_MAGIC) or path.suffix in PARQUET_SUFFIXES:
        return _parquet(raw, path.name)
    if (found := other_format(raw)) != "":
        raise DataError(f"The data file {path} is {found}.", next_step="Save it as CSV in UTF-8, or as Parquet.")
    return _csv(_decode(raw, path.name), path.name)


def table_from_frame(frame: pd.DataFrame, name: str) -> TextTable:
    """Convert a data frame to text.

    Missing values become empty cells, and whole floats lose their `.0`. A named index is treated like any other column.
    """
    if any(level is not None for level in frame.index.names):
        frame = frame.reset_index(level=[level for level in frame.index.names if level is not None])
    names = [str(column).strip() for column in frame.columns]
    if duplicates := sorted({column for column in names if names.count(column) > 1}):
        raise DataError(f"{name}: duplicate column names: {', '.join(map(repr, duplicates))}.")
    columns = {n: [_text(v) for v in frame.iloc[:, i].tolist()] for i, n in enumerate(names)}
    return TextTable(name, columns, range(1, len(frame) + 1), "row")


def _read_bytes(path: Path) -> bytes:
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(f"{path} is not a regular file.", next_step="Save its content to a regular file first.")
    try:
        with open_decompressed(path) as file:
            raw = file.read()
    except DAMAGED as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).rstrip(".")
        raise DataError(
            f"The data file {path} cannot be read: {reason}.",
            next_step="Specify a readable CSV or Parquet file. For training, set PMMDS_DATA_PATH to it.",
        ) from None
    if not raw.strip():
        raise DataError(f"The data file {path} is empty.", next_step="Expected a header line and at least one row.")
    return raw


def _parquet(raw: bytes, name: str) -> TextTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(raw))
        # Old Parquet writers store text without marking it as UTF-8.
        binary = [i for i, t in enumerate(table.schema.types) if pa.types.is_binary(t) or pa.types.is_large_binary(t)]
        for i in binary:
            table = table.set_column(i, table.schema.names[i], table.column(i).cast(pa.string()))
        index = unnamed_index(table.schema.names, (table.schema.metadata or {}).get(b"pandas"))
        frame = table.drop_columns(sorted(index)).to_pandas(ignore_metadata=True)
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(
            f"{name} is not a readable Parquet file: {reason}.", next_step="Export the file again."
        ) from None
    text = table_from_frame(frame, name)
    _need_rows(text)
    return text


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
    rows: list[list[str]] = []
    numbers: list[int] = []
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, strict=True)
    n_skipped = 0
    try:
        dialect = dialect_of(list(islice(io.StringIO(text, newline=""), N_SAMPLED_ROWS * 4)))
        _check_header(dialect.names, name)
        n_skipped = len([lines.readline() for _ in range(dialect.n_skipped)])
        reader = csv.reader(lines, delimiter=dialect.delimiter, strict=True)
        next(row for row in reader if row)
        for row in reader:
            if row:
                rows.append(row)
                numbers.append(n_skipped + reader.line_num)
    except csv.Error as error:
        raise DataError(
            f"{name}, line {n_skipped + reader.line_num}: invalid CSV: {error}.",
            next_step="Check the quotes near this line.",
        ) from None
    _check_widths(rows, numbers, len(dialect.names), name)
    columns = zip(*rows, strict=True) if rows else ([] for _ in dialect.names)
    named = {key: cells for key, cells in zip(dialect.names, columns, strict=True) if key}
    table = TextTable(name, {key: [cell.strip() for cell in cells] for key, cells in named.items()}, numbers)
    _need_rows(table)
    return table


def _check_header(header: Sequence[str], name: str) -> None:
    if problem := name_problem(header):
        raise DataError(f"{name}: {problem}.", next_step="Expected a header line with the names of the columns.")
    duplicates = sorted({column for column in header if column and header.count(column) > 1})
    if duplicates:
        raise DataError(f"{name}, line 1: duplicate column names: {', '.join(map(repr, duplicates))}.")


def _check_widths(rows: list[list[str]], numbers: list[int], width: int, name: str) -> None:
    odd = [(number, len(row)) for number, row in zip(numbers, rows, strict=True) if len(row) != width]
    if odd:
        examples = ", ".join(f"line {number} has {found}" for number, found in odd[:N_EXAMPLES])
        raise DataError(
            f"{name}: {len(odd)} of {len(rows)} rows do not have the header's {width} cells ({examples}).",
            next_step="No rows were loaded. Check the delimiter and that the file is complete.",
        )


def _need_rows(table: TextTable) -> None:
    if table.n_rows == 0:
        raise DataError(f"{table.name} has a header but no rows.", next_step="Expected at least one row.")


def _text(value: Any) -> str:
    """Convert a value to the text of a CSV cell."""
    if isinstance(value, float):
        if value != value:
            return ""
        return str(int(value)) if value.is_integer() else repr(value)
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return decimal_text(str(value)) if isinstance(value, Decimal) else str(value).strip()
