"""Opens data frames with DuckDB as if pandas had written them to Parquet files, without writing any file.

Not here: files (data_file.py).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmmds_core.data.parquet_index import unnamed_index
from pmmds_core.errors import InputFileError
from pmmds_core.stores.files.data_file import DataFile, file_faults, identifier, parquet_column

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

# The errors of Arrow for values that it cannot convert. Arrow's own classes for these are subclasses.
_UNSUPPORTED = (TypeError, ValueError, OverflowError, NotImplementedError)


def open_frame(connection: DuckDBPyConnection, name: str, frame: pd.DataFrame | pa.Table) -> DataFile:
    """Open a data frame as a relation with the columns and types that its Parquet file would have.

    Args:
        connection: a connection returned by `data_file.connect`.
        name: the frame's name in messages and reports, which must be unique within the connection.
        frame: a pandas data frame or an Arrow table.

    Raises:
        InputFileError: if the object is not a data frame, has no rows, or has duplicate columns or columns of mixed
            types.
    """
    table = _as_parquet_reads(_arrow(name, frame))
    _check_unique(name, table.column_names)
    if table.num_columns == 0:
        raise InputFileError(f"{name} has no columns.", next_step="Expected at least one column.")
    if table.num_rows == 0:
        raise InputFileError(f"{name} has no rows.", next_step="Expected at least one row.")
    relation = identifier(name)
    with file_faults(lambda message: InputFileError(f"{name} cannot be read: {message.splitlines()[0]}")):
        # Create a table, because a registered frame is not visible to cursors in other threads.
        connection.register("arrow_table", table)
        connection.execute(f"CREATE TABLE {relation} AS SELECT * FROM arrow_table")
        connection.unregister("arrow_table")
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    # DuckDB renames columns that differ only in case, so the names are taken from the table.
    pairs = zip(table.column_names, described, strict=True)
    columns = [parquet_column(column, row[0], str(row[1])) for column, row in pairs]
    _check_unique(name, [c.name for c in columns])
    index = unnamed_index(table.column_names, (table.schema.metadata or {}).get(b"pandas"))
    kept = tuple(c for c in columns if c.name not in index)
    left_out = tuple((c.name, "a pandas index without a name") for c in columns if c.name in index)
    return DataFile(Path(name), kept, relation, table.num_rows, left_out)


def _arrow(name: str, frame: Any) -> pa.Table:
    import pyarrow as pa

    if isinstance(frame, pa.Table):
        return frame
    if not hasattr(frame, "columns") or not hasattr(frame, "iloc"):
        raise InputFileError(
            f"{name} is a {type(frame).__name__}, not a data frame.",
            next_step="Pass a pandas.DataFrame or a pyarrow.Table. To compare files, use compare_files.",
        )
    _check_unique(name, [str(column) for column in frame.columns])
    try:
        return pa.Table.from_pandas(frame)
    except _UNSUPPORTED:
        # Arrow's message is not shown, because it may contain a value.
        column = next((column for i, column in enumerate(frame.columns) if not _is_supported(frame.iloc[:, i])), None)
        what = "it" if column is None else f"its column {str(column)!r}"
        raise InputFileError(
            f"{name} cannot be compared: {what} has values of several types or of a type that Arrow does not support.",
            next_step="Convert the column to one type, such as text.",
        ) from None


def _is_supported(column: pd.Series[Any]) -> bool:
    import pandas as pd
    import pyarrow as pa

    try:
        pa.Table.from_pandas(pd.DataFrame({"column": column}))
    except _UNSUPPORTED:
        return False
    return True


def _as_parquet_reads(table: pa.Table) -> pa.Table:
    """Cast columns to the types that DuckDB would read from the table's Parquet file."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        kind: Any = field.type
        read = {
            pa.types.is_float16: pa.float32(),
            pa.types.is_duration: pa.int64(),
            pa.types.is_decimal256: pa.float64(),
            pa.types.is_binary: pa.string(),
            pa.types.is_large_binary: pa.string(),
        }
        cast = next((to for is_kind, to in read.items() if is_kind(kind)), None)
        if cast is not None:
            table = table.set_column(i, field.name, table.column(i).cast(cast))
    return table


def _check_unique(name: str, columns: list[str]) -> None:
    repeated = [column for column, n in Counter(columns).items() if n > 1]
    if repeated:
        shown = ", ".join(map(repr, repeated[:5])) + (", …" if len(repeated) > 5 else "")
        raise InputFileError(f"{name}: duplicate column names: {shown}.", next_step="Give every column a unique name.")
