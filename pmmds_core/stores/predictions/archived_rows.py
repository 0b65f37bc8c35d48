"""Archived rows as a DuckDB table with the log's name, so that the log's own queries run on it.

DuckDB reads the Parquet files in place and accepts SQL compiled for PostgreSQL. Not here: the queries (each
store has its own).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import result_tuple

from pmmds_core.errors import DataError
from pmmds_core.stores.database.tables import UtcDateTime
from pmmds_core.stores.files.data_file import connect, file_faults, parquet_relation

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class ArchivedRows:
    """A DuckDB database whose `prediction_logs` has the rows of the given files."""

    def __init__(self, log: sa.Table, files: Sequence[Path]) -> None:
        self._log = log
        self._duckdb = _opened(log, files)

    def with_ids(self, request_ids: Sequence[str]) -> dict[str, sa.Row[Any]]:
        """Return the complete rows with these ids, in the same form as `execute`."""
        return {row.request_id: row for row in self.execute(sa.select(*self._log.c).where(self._is_among(request_ids)))}

    def ids_among(self, request_ids: Sequence[str]) -> set[str]:
        """The subset of these ids that occur in the files."""
        if not request_ids:
            return set()
        query = sa.select(self._log.c.request_id).distinct().where(self._is_among(request_ids))
        return {row.request_id for row in self.execute(query)}

    def _is_among(self, request_ids: Sequence[str]) -> sa.ColumnElement[bool]:
        """Return a condition on the log's id.

        The ids are passed as a table, because they would make the query too long.
        """
        import pyarrow as pa

        self._duckdb.register("wanted", pa.table({"request_id": pa.array(request_ids, type="string")}))
        return self._log.c.request_id.in_(sa.select(sa.table("wanted", sa.column("request_id")).c.request_id))

    def execute(self, query: sa.Select[Any]) -> list[Any]:
        """Run a query and return its rows as the database would, with access to columns by name."""
        names = [str(c.key) for c in query.selected_columns]
        kinds = [isinstance(c.type, UtcDateTime) for c in query.selected_columns]
        make_row = result_tuple(names)
        with file_faults(_unreadable):
            rows = self._duckdb.execute(_text(query)).fetchall()
        return [make_row([_aware(v) if k else v for v, k in zip(row, kinds, strict=True)]) for row in rows]

    def add_table(self, connection: sa.Connection, table: sa.Table, *columns: sa.ColumnElement[Any]) -> None:
        """Copy columns of another database table into DuckDB, so that a query can join it."""
        import pyarrow as pa

        rows = connection.execute(sa.select(*columns)).all()
        names = [str(c.key) for c in columns]
        are_timestamps = [isinstance(c.type, UtcDateTime) for c in columns]
        values = list(zip(*rows, strict=True)) or [()] * len(columns)
        arrays = [
            pa.array([UtcDateTime.to_naive(v) for v in column], type=pa.timestamp("us"))
            if is_timestamp
            else pa.array(column, type=_KINDS[type(c.type)])
            for column, is_timestamp, c in zip(values, are_timestamps, columns, strict=True)
        ]
        self._duckdb.register(table.name, pa.table(dict(zip(names, arrays, strict=True))))


_KINDS = {sa.String: "string", sa.SmallInteger: "int16", sa.Integer: "int64", sa.Boolean: "bool"}


def _unreadable(message: str) -> DataError:
    """The error for a part that DuckDB cannot read; an unreadable part never counts as empty."""
    return DataError(
        f"An archived part of the prediction log cannot be read: {message.splitlines()[0].partition(': ')[2]}.",
        next_step="Restore the file from a copy of the archive.",
    )


def _opened(log: sa.Table, files: Sequence[Path]) -> DuckDBPyConnection:
    """A view `prediction_logs` with the log's columns; columns added after a file was written are NULL."""
    opened = connect()
    columns = ", ".join(str(sa.schema.CreateColumn(c).compile(dialect=_duckdb_dialect())) for c in _nullable(log))
    opened.execute(f"CREATE TEMP TABLE shape ({columns})")
    with file_faults(_unreadable):
        opened.execute(
            "CREATE TEMP VIEW prediction_logs AS SELECT * FROM shape UNION ALL BY NAME "
            f"SELECT * FROM {parquet_relation(files)}"
        )
    return opened


def _nullable(log: sa.Table) -> list[sa.Column[Any]]:
    return [sa.Column(c.name, c.type) for c in log.columns]


@cache
def _duckdb_dialect() -> sa.Dialect:
    """PostgreSQL's dialect with standard SQL string literals; imported only if there is an archive."""
    from sqlalchemy.dialects.postgresql.base import PGDialect

    dialect: Any = PGDialect
    adapted: sa.Dialect = dialect(paramstyle="named")
    adapted._backslash_escapes = False  # type: ignore[attr-defined]
    return adapted


def _text(query: sa.Select[Any]) -> str:
    return str(query.compile(dialect=_duckdb_dialect(), compile_kwargs={"literal_binds": True}))


def _aware(value: Any) -> Any:
    return None if value is None else value.replace(tzinfo=UTC)
