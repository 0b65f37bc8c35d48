"""A CSV or Parquet file as DuckDB sees it: recognised by its content, its columns and their types, or refused.

Add a file format here. Keep out: what a column means (column_reading.py) and counting (duckdb_counts.py).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmmds_core.errors import InputFileError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PARQUET_MAGIC = b"PAR1"
# What a header line may have between its names.
DELIMITERS = (",", ";", "\t", "|")
# The longest header line that is looked at, bytes.
HEADER_BYTES = 4_000_000


@dataclass(frozen=True)
class FileColumn:
    """A column: its name in the file, its SQL identifier in the file's relation, DuckDB's name of its type."""

    name: str
    identifier: str
    type: str


@dataclass(frozen=True)
class DataFile:
    """A readable file with at least one row. `relation` is what a query selects from."""

    path: Path
    columns: tuple[FileColumn, ...]
    relation: str
    n_rows: int

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def by_name(self) -> dict[str, FileColumn]:
        return {c.name: c for c in self.columns}


def connect() -> DuckDBPyConnection:
    """A DuckDB of this process, in memory; it reads the files it is given and writes nothing."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    return connection


def open_data_file(connection: DuckDBPyConnection, path: Path) -> DataFile:
    """Recognise a file by its content: Parquet by its mark, else CSV.

    Raises:
        InputFileError: not there, a folder, empty, neither of the two, damaged, or a column name stands twice.
    """
    start = _first_bytes(path)
    with readable(path):
        if start.startswith(PARQUET_MAGIC):
            columns, relation = _parquet(connection, path)
        else:
            columns, relation = _csv(path, start)
        found = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()
    n_rows = int(found[0]) if found else 0
    if n_rows == 0:
        raise InputFileError(f"{path} has columns and no rows.", next_step="Expected at least one row.")
    return DataFile(path, columns, relation, n_rows)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """DuckDB's refusal of a file as one sentence, without the file's values."""
    import duckdb

    try:
        yield
    except (duckdb.InvalidInputException, duckdb.IOException, duckdb.ConversionException) as error:
        raise InputFileError(
            f"{path} cannot be read: {_reason(str(error))}.",
            next_step="Is it a CSV file in UTF-8 or a Parquet file, written completely?",
        ) from None


def quoted(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _first_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise InputFileError(f"{path} is a folder.", next_step="Name one CSV or Parquet file.")
    if path.exists() and not path.is_file():
        raise InputFileError(f"{path} is not a regular file.", next_step="Write it to a file first.")
    try:
        with path.open("rb") as file:
            start = file.read(HEADER_BYTES)
    except OSError as error:
        raise InputFileError(
            f"{path} cannot be read: {error.strerror}.", next_step="Name a readable CSV or Parquet file."
        ) from None
    if not start.strip():
        raise InputFileError(f"{path} is empty.", next_step="Expected a header line and at least one row.")
    return start


def _parquet(connection: DuckDBPyConnection, path: Path) -> tuple[tuple[FileColumn, ...], str]:
    relation = f"read_parquet({quoted(_literal_path(path))})"
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    # DuckDB makes the second of two equal names another one; the file's own schema does not.
    schema = f"SELECT name, num_children FROM parquet_schema({quoted(_literal_path(path))})"
    names = list(_top_level(connection.execute(schema).fetchall()))
    _refuse_repeated(path, names)
    columns = (FileColumn(name, identifier(row[0]), str(row[1])) for name, row in zip(names, described, strict=True))
    return tuple(columns), relation


def _top_level(schema: list[tuple[Any, ...]]) -> Iterator[str]:
    """Names of the columns among the elements of a Parquet schema, which are its tree in depth-first order."""
    position = 1
    while position < len(schema):
        yield schema[position][0]
        left = 1
        while left:
            left += (schema[position][1] or 0) - 1
            position += 1


def _csv(path: Path, start: bytes) -> tuple[tuple[FileColumn, ...], str]:
    delimiter, names = _header(path, start)
    _refuse_repeated(path, names)
    # Everything is text until it is known what the column is: a sniffer would decide on the first rows.
    columns = tuple(FileColumn(name, f"c{i}", "VARCHAR") for i, name in enumerate(names))
    types = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(names)))
    options = f"auto_detect=false, header=true, delim={quoted(delimiter)}, quote='\"', escape='\"', nullstr=''"
    return columns, f"read_csv({quoted(_literal_path(path))}, {options}, columns={{{types}}})"


def _literal_path(path: Path) -> str:
    """A path that DuckDB does not take for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path.absolute()))


def _header(path: Path, start: bytes) -> tuple[str, list[str]]:
    """The delimiter of a CSV file, and its column names."""
    try:
        text = start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 4:  # else a character that the end of `start` cuts
            raise _not_csv(path, f"byte {error.start} is not UTF-8") from None
        text = start[: error.start].decode("utf-8-sig")
    if "\0" in text:
        raise _not_csv(path, "it holds NUL bytes")
    lines = text.splitlines(keepends=True)
    counts = {d: lines[0].count(d) for d in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda d: counts[d])
    try:
        names = next(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise _not_csv(path, f"its header line: {error}") from None
    if not all(name.strip() for name in names):
        raise _not_csv(path, f"line 1 has no name for column {[bool(n.strip()) for n in names].index(False) + 1}")
    return delimiter, [name.strip() for name in names]


def _not_csv(path: Path, why: str) -> InputFileError:
    return InputFileError(
        f"{path} is neither a Parquet file nor a CSV file in UTF-8: {why}.", next_step="Save it as one of the two."
    )


def _refuse_repeated(path: Path, names: list[str]) -> None:
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if repeated:
        shown = ", ".join(map(repr, repeated[:5])) + (", …" if len(repeated) > 5 else "")
        raise InputFileError(
            f"{path}: these columns stand twice: {shown}.", next_step="Give every column its own name."
        )


def _reason(message: str) -> str:
    """What DuckDB says is wrong, without the line's values and its advice."""
    at = re.search(r"Line: (\d+)", message)
    what = re.search(
        r"^(Expected Number of Columns.*|Value with unterminated quote.*|Invalid unicode.*)$", message, re.MULTILINE
    )
    if at and what:
        return f"line {at[1]}: {what[1].strip().rstrip('.')}"
    first = message.splitlines()[0].partition(": ")[2] or message.splitlines()[0]
    return re.sub(r"\s*['\"](/[^'\"]*)['\"]", "", first).strip().rstrip(".")
