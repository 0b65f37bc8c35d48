"""The archived rows of a time, as a table of the log's name that the log's own queries are asked of.

DuckDB reads the Parquet files where they lie and understands what is compiled for PostgreSQL. Keep out: the queries
themselves, which each store has.
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
from pmmds_core.stores.files.data_file import connect, file_faults, literal_path, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class ArchivedRows:
    """A DuckDB with `prediction_logs`: the rows of some files, less those that the database has as well."""

    def __init__(self, log: sa.Table, files: Sequence[Path], repeated: Sequence[str]) -> None:
        self._duckdb = _opened(log, files)
        self._duckdb.execute("CREATE TEMP TABLE repeated (request_id TEXT)")
        if repeated:
            self._duckdb.execute("INSERT INTO repeated SELECT unnest(?)", [list(repeated)])
        self._duckdb.execute(
            "CREATE TEMP VIEW prediction_logs AS "
            "SELECT * FROM archived WHERE request_id NOT IN (SELECT request_id FROM repeated)"
        )

    def execute(self, query: sa.Select[Any]) -> list[sa.Row[Any]]:
        """The rows of a query, with names, as the database would give them."""
        names = [str(c.key) for c in query.selected_columns]
        kinds = [isinstance(c.type, UtcDateTime) for c in query.selected_columns]
        made = result_tuple(names)
        with file_faults(_unreadable):
            found = self._duckdb.execute(_text(query)).fetchall()
        return [made([_aware(v) if k else v for v, k in zip(row, kinds, strict=True)]) for row in found]

    def bring(self, connection: sa.Connection, table: sa.Table, *columns: sa.ColumnElement[Any]) -> None:
        """Copy columns of another table of the database beside the rows, so that a query can join it."""
        import pyarrow as pa

        rows = connection.execute(sa.select(*columns)).all()
        names = [str(c.key) for c in columns]
        instants = [isinstance(c.type, UtcDateTime) for c in columns]
        values = list(zip(*rows, strict=True)) or [()] * len(columns)
        arrays = [
            pa.array([UtcDateTime.to_naive(v) for v in column], type=pa.timestamp("us"))
            if is_instant
            else pa.array(column, type=_KINDS[type(c.type)])
            for column, is_instant, c in zip(values, instants, columns, strict=True)
        ]
        self._duckdb.register(table.name, pa.table(dict(zip(names, arrays, strict=True))))


_KINDS = {sa.String: "string", sa.SmallInteger: "int16", sa.Integer: "int64", sa.Boolean: "bool"}


def among(log: sa.Table, files: Sequence[Path], request_ids: Sequence[str]) -> set[str]:
    """Which of these ids the files have."""
    if not files or not request_ids:
        return set()
    query = "SELECT DISTINCT request_id FROM archived WHERE request_id IN (SELECT unnest(?))"
    with file_faults(_unreadable):
        return {row[0] for row in _opened(log, files).execute(query, [list(request_ids)]).fetchall()}


def _unreadable(said: str) -> DataError:
    """For a part that DuckDB cannot read: it is never taken for no rows."""
    return DataError(
        f"An archived part of the prediction log cannot be read: {said.splitlines()[0].partition(': ')[2]}.",
        next_step="Restore the file from a copy of the archive.",
    )


def _opened(log: sa.Table, files: Sequence[Path]) -> DuckDBPyConnection:
    """A view `archived` with the log's columns; those that were added after a file was written are NULL in it."""
    gone = [path for path in files if not path.exists()]
    if gone:
        raise DataError(
            f"{len(gone)} archived part{'s' * (len(gone) > 1)} of the prediction log cannot be found: {gone[0]}.",
            next_step="Point PMMDS_ARCHIVE_PATH at the archive, or restore the files.",
        )
    opened = connect()
    columns = ", ".join(str(sa.schema.CreateColumn(c).compile(dialect=_duckdb_dialect())) for c in _nullable(log))
    opened.execute(f"CREATE TEMP TABLE shape ({columns})")
    names = ", ".join(quoted(literal_path(path)) for path in files)
    with file_faults(_unreadable):
        opened.execute(
            "CREATE TEMP VIEW archived AS SELECT * FROM shape UNION ALL BY NAME "
            f"SELECT * FROM read_parquet([{names}], union_by_name = true)"
        )
    return opened


def _nullable(log: sa.Table) -> list[sa.Column[Any]]:
    return [sa.Column(c.name, c.type) for c in log.columns]


@cache
def _duckdb_dialect() -> sa.Dialect:
    """PostgreSQL's words, with texts as standard SQL has them; imported where there is an archive."""
    from sqlalchemy.dialects.postgresql.base import PGDialect

    dialect: Any = PGDialect
    made: sa.Dialect = dialect(paramstyle="named")
    made._backslash_escapes = False  # type: ignore[attr-defined]
    return made


def _text(query: sa.Select[Any]) -> str:
    return str(query.compile(dialect=_duckdb_dialect(), compile_kwargs={"literal_binds": True}))


def _aware(value: Any) -> Any:
    return None if value is None else value.replace(tzinfo=UTC)
