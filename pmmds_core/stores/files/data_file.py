"""Opens CSV and Parquet files with DuckDB: recognizes the format by content and checks columns and rows.

Add a file format here. Not here: reading columns as features (column_sql.py), counting (duckdb_counts.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmmds_core.data.text_table import PARQUET_MAGIC
from pmmds_core.errors import InputFileError, PmmdsError
from pmmds_core.stores.files.csv_header import shape_of_csv

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True)
class FileColumn:
    """A column: name in the file, SQL identifier in its relation, DuckDB type."""

    name: str
    identifier: str
    type: str


@dataclass(frozen=True)
class DataFile:
    """A readable file with at least one row. `relation`: the SQL to select from."""

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
    """An in-memory DuckDB connection for reading files."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    # Parquet's min/max statistics exclude NaN, so DuckDB would treat NaN as less than a higher edge.
    connection.execute("SET disabled_optimizers = 'statistics_propagation'")
    # A file of 1,000 columns is read by hundreds of queries.
    connection.execute("SET parquet_metadata_cache = true")
    return connection


def open_data_file(connection: DuckDBPyConnection, path: Path) -> DataFile:
    """Open a file as Parquet if it has Parquet's magic bytes, otherwise as CSV.

    Raises:
        InputFileError: missing, a folder, empty, of another format, damaged, or with duplicate column names.
    """
    start = _first_bytes(path)
    with readable(path):
        if start.startswith(PARQUET_MAGIC):
            columns, relation = _parquet(connection, path)
            n_rows = _count(connection, relation)
        else:
            columns, relation, n_rows = _csv(path)
            if n_rows:
                _check_rows(connection, path, relation, n_rows)
            relation += ")"
    if n_rows == 0:
        raise InputFileError(f"{path} has a header but no rows.", next_step="Expected at least one row.")
    return DataFile(path, columns, relation, n_rows)


@contextmanager
def file_faults(make_error: Callable[[str], PmmdsError]) -> Iterator[None]:
    """Translate DuckDB's errors about unreadable files with `make_error`, which gets DuckDB's message."""
    import duckdb

    try:
        yield
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException, duckdb.OutOfMemoryException):
        raise  # a bug, or a limit of the machine
    except duckdb.Error as error:
        raise make_error(str(error)) from None


def readable(path: Path) -> AbstractContextManager[None]:
    """Translate DuckDB's errors about a file into one sentence without the file's values."""
    return file_faults(
        lambda message: InputFileError(
            f"{path} cannot be read: {_reason(message)}.",
            next_step="Is it a CSV file in UTF-8 or a Parquet file, written completely?",
        )
    )


def quoted(text: str) -> str:
    """`text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def literal_path(path: Path) -> str:
    """A path escaped so that DuckDB does not read it as a glob pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path.absolute()))


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
            start = file.read(1000)
    except OSError as error:
        raise InputFileError(
            f"{path} cannot be read: {error.strerror}.", next_step="Name a readable CSV or Parquet file."
        ) from None
    if not start.strip():
        raise InputFileError(f"{path} is empty.", next_step="Expected a header line and at least one row.")
    return start


def _parquet(connection: DuckDBPyConnection, path: Path) -> tuple[tuple[FileColumn, ...], str]:
    relation = f"read_parquet({quoted(literal_path(path))})"
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    # DuckDB renames duplicate columns, so the names are read from the file's schema.
    schema = f"SELECT name, num_children FROM parquet_schema({quoted(literal_path(path))})"
    names = list(_top_level(connection.execute(schema).fetchall()))
    _check_unique(path, names)
    columns = (FileColumn(name, identifier(row[0]), str(row[1])) for name, row in zip(names, described, strict=True))
    return tuple(columns), relation


def _top_level(schema: list[tuple[Any, ...]]) -> Iterator[str]:
    """Column names from a Parquet schema, whose elements are a tree in depth-first order."""
    position = 1
    while position < len(schema):
        yield schema[position][0]
        remaining = 1
        while remaining:
            remaining += (schema[position][1] or 0) - 1
            position += 1


def _csv(path: Path) -> tuple[tuple[FileColumn, ...], str, int]:
    shape = shape_of_csv(path)
    _check_unique(path, shape.names)
    # All columns are read as text, because type detection would decide on the first rows.
    columns = tuple(FileColumn(name, f"c{i}", "VARCHAR") for i, name in enumerate(shape.names))
    types = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(columns)))
    new_line = shape.new_line.replace("\r", "\\r").replace("\n", "\\n")
    options = f"delim={quoted(shape.delimiter)}, new_line={quoted(new_line)}, quote='\"', escape='\"', nullstr=''"
    relation = f"read_csv({quoted(literal_path(path))}, auto_detect=false, header=true, {options}, columns={{{types}}}"
    return columns, relation, shape.n_rows


def _check_rows(connection: DuckDBPyConnection, path: Path, relation: str, n_rows: int) -> None:
    """Raises InputFileError if DuckDB reads another number of rows than the file has."""
    if _count(connection, f"{relation})") == n_rows:
        return
    # A sequential read reports the malformed line.
    _count(connection, f"{relation}, parallel=false)")
    raise InputFileError(
        f"{path} cannot be read: not all of its {n_rows:,} rows have the header's cells and line ends.",
        next_step="Is it a CSV file, written completely, with quotes only around whole cells?",
    )


def _count(connection: DuckDBPyConnection, relation: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()
    return int(row[0]) if row else 0


def _check_unique(path: Path, names: Sequence[str]) -> None:
    repeated = [name for name, n in Counter(names).items() if n > 1]
    if repeated:
        shown = ", ".join(map(repr, repeated[:5])) + (", …" if len(repeated) > 5 else "")
        raise InputFileError(f"{path}: duplicate column names: {shown}.", next_step="Give every column a unique name.")


def _reason(message: str) -> str:
    """The reason in DuckDB's message, without the values of the line and without DuckDB's advice."""
    at = re.search(r"Line: (\d+)", message)
    problem = re.search(
        r"^(Expected Number of Columns.*|Value with unterminated quote.*|Invalid unicode.*)$", message, re.MULTILINE
    )
    if at and problem:
        return f"line {at[1]}: {problem[1].strip().rstrip('.')}"
    first = message.splitlines()[0].partition(": ")[2] or message.splitlines()[0]
    return re.sub(r"\s*['\"](/[^'\"]*)['\"]", "", first).strip().rstrip(".")
