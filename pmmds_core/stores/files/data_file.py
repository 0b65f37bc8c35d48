"""Opens CSV files and Parquet files, folders and patterns with DuckDB; checks columns and rows.

The format is recognized by content. Nothing is inferred from a file's path. Add a file format here. Not here:
reading columns as features (column_sql.py), counting (duckdb_counts.py), finding the files of a folder (file_paths.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmmds_core.data.compressed import compression_of, other_format
from pmmds_core.data.parquet_index import WITHOUT_NAME, unnamed_index
from pmmds_core.data.text_table import PARQUET_MAGIC
from pmmds_core.errors import InputFileError, PmmdsError
from pmmds_core.stores.files.csv_shape import CsvShape, shape_of_csv
from pmmds_core.stores.files.file_paths import find_files

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
    """A readable file with at least one row, or several such files with the same columns.

    `relation`: the SQL to select from. `left_out`: columns without a name, such as a pandas index or R's row names, and
    the reason.
    """

    path: Path
    columns: tuple[FileColumn, ...]
    relation: str
    n_rows: int
    left_out: tuple[tuple[str, str], ...] = ()

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
    # Reading a file with 1,000 columns takes hundreds of queries.
    connection.execute("SET parquet_metadata_cache = true")
    return connection


def open_data_file(connection: DuckDBPyConnection, path: Path, delimiter: str = "") -> DataFile:
    """Open a CSV or Parquet file, or the Parquet files of a folder or pattern.

    Args:
        connection: from `connect`.
        path: a file, a folder, or a pattern such as `2026-*/*.parquet`.
        delimiter: of a CSV file; empty to detect it.

    Raises:
        InputFileError: missing, empty, of another format, damaged, with duplicate column names, or files with different
            columns.
    """
    files = find_files(path)
    start = _first_bytes(files[0])
    if start.startswith(PARQUET_MAGIC):
        with readable(path):
            return _need_rows(_parquet(connection, path, files))
    if len(files) > 1:
        raise InputFileError(f"{files[0]} is not a Parquet file.", next_step="Several files must all be Parquet files.")
    if (found := other_format(start)) != "":
        raise InputFileError(f"{path} is {found}.", next_step="Save it as a CSV file in UTF-8 or as Parquet.")
    with readable(path):
        return _need_rows(_csv(connection, path, delimiter))


@contextmanager
def file_faults(make_error: Callable[[str], PmmdsError]) -> Iterator[None]:
    """Translate DuckDB's errors about unreadable files with `make_error`, which receives DuckDB's message."""
    import duckdb

    try:
        yield
    except (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException, duckdb.OutOfMemoryException):
        raise  # a bug or a lack of memory
    except duckdb.Error as error:
        raise make_error(str(error)) from None


def readable(path: Path) -> AbstractContextManager[None]:
    """Translate DuckDB's errors about a file into one sentence without the file's values."""
    return file_faults(
        lambda message: InputFileError(
            f"{path} cannot be read: {_reason(message)}.",
            next_step="Check that it is a complete Parquet file or CSV file in UTF-8.",
        )
    )


def quoted(text: str) -> str:
    """Quote `text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def literal_path(path: Path) -> str:
    """Escape a path so that DuckDB does not interpret it as a glob pattern."""
    return re.sub(r"([*?\[])", r"[\1]", str(path.absolute()))


def parquet_relation(files: Sequence[Path], *, by_name: bool = True) -> str:
    """SQL that reads only the columns stored in Parquet files.

    By default, DuckDB would add columns from folder names such as `plan=a`, and read unannotated text as bytes.
    `by_name`: match the columns of several files by name, without regard to case.
    """
    paths = ", ".join(quoted(literal_path(file)) for file in files)
    return f"read_parquet([{paths}], hive_partitioning=false, binary_as_string=true, union_by_name={by_name})"


def identifier(name: str) -> str:
    """Quote `name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(1000)
    except OSError as error:
        raise InputFileError(
            f"{path} cannot be read: {error.strerror}.", next_step="Specify a readable CSV or Parquet file."
        ) from None
    if not start.strip():
        raise InputFileError(f"{path} is empty.", next_step="Expected a header line and at least one row.")
    return start


def _need_rows(file: DataFile) -> DataFile:
    if file.n_rows == 0:
        raise InputFileError(f"{file.path} has a header but no rows.", next_step="Expected at least one row.")
    return file


def _parquet(connection: DuckDBPyConnection, path: Path, files: Sequence[Path]) -> DataFile:
    names, are_in_order = _same_names(connection, files)
    pairs = [n for n, k in Counter(name.lower() for name in names).items() if k > 1]
    if pairs and not are_in_order:
        raise InputFileError(
            f"{path}: the files have different column orders, and several columns are called {pairs[0]!r} if case is "
            f"ignored.",
            next_step="Rename one of these columns, or write the files with the same column order.",
        )
    relation = parquet_relation(files, by_name=not pairs)
    described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    # DuckDB renames duplicate columns, so the names are read from the file's schema.
    columns = [parquet_column(name, row[0], str(row[1])) for name, row in zip(names, described, strict=True)]
    _check_unique(path, [c.name for c in columns])
    index = unnamed_index(names, _pandas_metadata(connection, files[0]))
    kept = tuple(c for c in columns if c.name not in index)
    left_out = tuple((name, "a pandas index without a name") for name in names if name in index)
    return DataFile(path, kept, relation, _count(connection, relation), left_out)


def parquet_column(name: str, alias: str, type_name: str) -> FileColumn:
    """Describe a Parquet column by its stripped name, as in CSV. A column of type NULL has only missing values."""
    if type_name == '"NULL"':
        return FileColumn(name.strip(), f"CAST({identifier(alias)} AS VARCHAR)", "VARCHAR")
    return FileColumn(name.strip(), identifier(alias), type_name)


def _same_names(connection: DuckDBPyConnection, files: Sequence[Path]) -> tuple[list[str], bool]:
    """Return the column names of the first file, and True if all files have them in the same order."""
    first: list[str] = []
    are_in_order = True
    for file in files:
        schema = f"SELECT name, num_children FROM parquet_schema({quoted(literal_path(file))})"
        names = list(_top_level(connection.execute(schema).fetchall()))
        _check_unique(file, names)
        first = first or names
        are_in_order = are_in_order and names == first
        if missing := [n for n in first if n not in names] or [n for n in names if n not in first]:
            with_it, without = (files[0], file) if missing[0] in first else (file, files[0])
            raise InputFileError(
                f"{without} lacks the column {missing[0]!r} that {with_it} has.",
                next_step="Specify files with the same columns.",
            )
    return first, are_in_order


def _pandas_metadata(connection: DuckDBPyConnection, file: Path) -> bytes | None:
    query = f"SELECT value FROM parquet_kv_metadata({quoted(literal_path(file))}) WHERE key = 'pandas'::BLOB"
    row = connection.execute(query).fetchone()
    return None if row is None else bytes(row[0])


def _top_level(schema: list[tuple[Any, ...]]) -> Iterator[str]:
    """Yield the top-level column names of a Parquet schema, which lists a tree in depth-first order."""
    position = 1
    while position < len(schema):
        yield schema[position][0]
        remaining = 1
        while remaining:
            remaining += (schema[position][1] or 0) - 1
            position += 1


def _csv(connection: DuckDBPyConnection, path: Path, delimiter: str) -> DataFile:
    shape = shape_of_csv(path, delimiter)
    _check_unique(path, [name for name in shape.names if name])
    # All columns are read as text, because DuckDB would detect types from the first rows only.
    columns = tuple(FileColumn(name, f"c{i}", "VARCHAR") for i, name in enumerate(shape.names) if name)
    left_out = tuple(
        (WITHOUT_NAME, f"column {i + 1} has no name (probably row numbers)")
        for i, name in enumerate(shape.names)
        if not name
    )
    relation = _csv_relation(path, shape)
    if shape.n_rows:
        _check_rows(connection, path, relation, shape.n_rows)
    return DataFile(path, columns, f"{relation})", shape.n_rows, left_out)


def _csv_relation(path: Path, shape: CsvShape) -> str:
    """SQL that reads a CSV file, without its closing parenthesis."""
    types = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(shape.names)))
    new_line = shape.new_line.replace("\r", "\\r").replace("\n", "\\n")
    strict = "" if not shape.has_mixed_ends else "strict_mode=false, "
    skip = f"skip={shape.n_skipped}, " if shape.n_skipped else ""
    options = (
        f"delim={quoted(shape.delimiter)}, new_line={quoted(new_line)}, quote='\"', escape='\"', nullstr='', "
        f"{strict}{skip}compression={quoted(compression_of(path))}, hive_partitioning=false"
    )
    return f"read_csv({quoted(literal_path(path))}, auto_detect=false, header=true, {options}, columns={{{types}}}"


def _check_rows(connection: DuckDBPyConnection, path: Path, relation: str, n_rows: int) -> None:
    """Raises InputFileError if DuckDB does not read every row of the file."""
    if _count(connection, f"{relation})") == n_rows:
        return
    # A sequential read reports the malformed line.
    _count(connection, f"{relation}, parallel=false)")
    raise InputFileError(
        f"{path} cannot be read: not all of its {n_rows:,} rows have the header's number of cells and line ending.",
        next_step="Check that the CSV file is complete and has quotes only around whole cells.",
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
    """Extract the reason from DuckDB's message, without the line's values and DuckDB's advice."""
    at = re.search(r"Line: (\d+)", message)
    problem = re.search(
        r"^(Expected Number of Columns.*|Value with unterminated quote.*|Invalid unicode.*)$", message, re.MULTILINE
    )
    if at and problem:
        return f"line {at[1]}: {problem[1].strip().rstrip('.')}"
    first = message.splitlines()[0].partition(": ")[2] or message.splitlines()[0]
    return re.sub(r"\s*['\"](/[^'\"]*)['\"]", "", first).strip().rstrip(".")
