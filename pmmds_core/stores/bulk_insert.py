"""Many rows in one statement, each written unless its key is there already. Keep out: what the rows mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from pmmds_core.stores.dialects import database_now
from pmmds_core.stores.tables import UtcDateTime


def insert_new(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], *, key: str, written_at: str
) -> int:
    """Insert rows whose `key` is not in the table; of two with one key the first.

    Args:
        connection: a writing transaction.
        table: where to.
        rows: a value for every column but `written_at`; no NaN.
        key: the unique column.
        written_at: the column that takes the database's clock.

    Returns:
        How many rows were new.
    """
    # One order for all writers, so that overlapping deliveries wait for each other and do not deadlock.
    ordered = sorted(rows, key=lambda row: str(row[key]))
    if connection.dialect.name == "postgresql":
        return _insert_recordset(connection, table, ordered, key, written_at)
    statement = sqlite.insert(table).values({written_at: database_now()}).on_conflict_do_nothing(index_elements=[key])
    return len(connection.execute(statement.returning(table.c[key]), ordered).fetchall())


def _insert_recordset(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]], key: str, written_at: str
) -> int:
    """All rows as one JSON parameter: 13,000 rows/s where a VALUES list of 25 columns manages 4,000."""
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in table.c if column.name != written_at)
    statement = (
        f"INSERT INTO {quote(table.name)} ({names}, {quote(written_at)}) "
        f"SELECT {names}, timezone('UTC', statement_timestamp()) "
        f"FROM json_populate_recordset(NULL::{quote(table.name)}, CAST(%(rows)s AS json)) "
        f"ON CONFLICT ({quote(key)}) DO NOTHING"
    )
    plain = [_as_json(table, row) for row in rows]
    return connection.exec_driver_sql(statement, {"rows": msgspec.json.encode(plain).decode()}).rowcount


def _as_json(table: sa.Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row in values that JSON can carry and PostgreSQL reads back exactly."""
    plain = dict(row)
    for column in table.c:
        value = row.get(column.name)
        if isinstance(value, float) and math.isinf(value):
            plain[column.name] = "Infinity" if value > 0 else "-Infinity"
        elif isinstance(value, datetime):
            plain[column.name] = UtcDateTime.to_naive(value)
    return plain
