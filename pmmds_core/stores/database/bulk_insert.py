"""Many rows in one statement, each written unless its key is there already. Keep out: what the rows mean."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

import msgspec
import sqlalchemy as sa

from pmmds_core.stores.database.dialects import database_now
from pmmds_core.stores.database.tables import UtcDateTime

# SQLite takes 32,766 in one statement.
_SQLITE_PARAMETERS = 8_000
# Half a megabyte of JSON for 25 columns.
_POSTGRESQL_ROWS = 1_000
# Fewer rows are not worth the savepoint.
_MIN_COPIED = 20
# About 40 kB: the server takes these rows while the next are made into text.
_ROWS_PER_WRITE = 200
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def insert_new(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    key: Sequence[str],
    written_at: str,
) -> int:
    """Insert rows whose `key` is not in the table; of two with one key the first.

    Args:
        connection: a writing transaction.
        table: where to.
        columns: every column but `written_at`.
        rows: values in the order of `columns`; no NaN.
        key: the unique columns.
        written_at: the column that takes the database's clock, by default too.

    Returns:
        How many rows were new.
    """
    position = columns.index(key[0])
    # One order for all writers, so that overlapping deliveries wait for each other and do not deadlock.
    ordered = sorted(rows, key=lambda row: str(row[position]))
    if connection.dialect.name != "postgresql":
        return _insert_values(connection, table, columns, ordered, key, written_at)
    if len(ordered) >= _MIN_COPIED and _copy(connection, table, columns, ordered):
        return len(ordered)
    return _insert_recordset(connection, table, columns, ordered, key, written_at)


def _insert_values(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    key: Sequence[str],
    written_at: str,
) -> int:
    """Many rows a statement, by the driver itself.

    Beside a thread that answers requests this counts twice: the driver gives the interpreter's lock back once a
    statement, so executemany would wait for it at every row.
    """
    quote = connection.dialect.identifier_preparer.quote
    now = database_now().compile(dialect=connection.dialect)
    head = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, columns))}, {quote(written_at)}) VALUES "
    one, tail = f"({', '.join('?' * len(columns))}, {now})", f" ON CONFLICT ({', '.join(map(quote, key))}) DO NOTHING"
    instants = [i for i, name in enumerate(columns) if isinstance(table.c[name].type, UtcDateTime)]
    n_new = start = 0
    while start < len(rows):
        size = _rows_at_once(len(rows) - start, len(columns))
        part = [_with_text(row, instants) for row in rows[start : start + size]]
        statement = head + ", ".join([one] * size) + tail
        n_new += connection.exec_driver_sql(statement, tuple(chain.from_iterable(part))).rowcount
        start += size
    return n_new


def _rows_at_once(n_left: int, n_columns: int) -> int:
    """A power of two: the driver keeps a large statement for each size, and there are few of them so."""
    most = max(1, min(n_left, _SQLITE_PARAMETERS // n_columns))
    return 1 << (most.bit_length() - 1)


def _with_text(row: Sequence[Any], instants: Sequence[int]) -> list[Any]:
    """The row with its instants as SQLAlchemy stores them in SQLite: text that sorts."""
    plain = list(row)
    for i in instants:
        plain[i] = None if row[i] is None else UtcDateTime.to_naive(row[i]).isoformat(" ", "microseconds")
    return plain


def _copy(connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bool:
    """Write them by COPY, as fast as PostgreSQL takes rows; False, and nothing is written, when it refuses one.

    Rows that are there already are rare: a shipper died between its commit and the deletion of its file.
    """
    from psycopg import Error

    quote = connection.dialect.identifier_preparer.quote
    statement = f"COPY {quote(table.name)} ({', '.join(map(quote, columns))}) FROM STDIN"
    savepoint = connection.begin_nested()
    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for start in range(0, len(rows), _ROWS_PER_WRITE):
                copy.write("".join(map(_as_line, rows[start : start + _ROWS_PER_WRITE])))
    except Error:
        savepoint.rollback()  # raises what is told, when the connection is lost
        return False
    savepoint.commit()
    return True


def _as_line(row: Sequence[Any]) -> str:
    """The row as COPY's text format has it. Few texts have anything to escape: it is looked for in the whole line."""
    cells = [v if type(v) is str else "\\N" if v is None else _as_text(v) for v in row]
    line = "\t".join(cells)
    is_plain = line.count("\t") == len(row) - 1 and line.count("\\") == row.count(None)
    if not is_plain or "\n" in line or "\r" in line:
        line = "\t".join(c.translate(_ESCAPES) if isinstance(v, str) else c for v, c in zip(row, cells, strict=True))
    return line + "\n"


def _as_text(value: Any) -> str:
    return UtcDateTime.to_naive(value).isoformat(" ") if isinstance(value, datetime) else repr(value)


def _insert_recordset(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    key: Sequence[str],
    written_at: str,
) -> int:
    """Rows as one JSON parameter: 13,000 rows/s where a VALUES list of 25 columns manages 4,000."""
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(map(quote, columns))
    statement = (
        f"INSERT INTO {quote(table.name)} ({names}, {quote(written_at)}) "
        f"SELECT {names}, timezone('UTC', statement_timestamp()) "
        f"FROM json_populate_recordset(NULL::{quote(table.name)}, CAST(%(rows)s AS json)) "
        f"ON CONFLICT ({', '.join(map(quote, key))}) DO NOTHING"
    )
    n_new = 0
    for start in range(0, len(rows), _POSTGRESQL_ROWS):
        part = rows[start : start + _POSTGRESQL_ROWS]
        plain = [dict(zip(columns, map(_as_json, row), strict=True)) for row in part]
        n_new += connection.exec_driver_sql(statement, {"rows": msgspec.json.encode(plain).decode()}).rowcount
    return n_new


def _as_json(value: Any) -> Any:
    """The value as JSON can carry it and PostgreSQL reads back exactly."""
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return UtcDateTime.to_naive(value) if isinstance(value, datetime) else value
