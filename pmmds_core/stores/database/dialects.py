"""SQL that differs between SQLite and PostgreSQL: the clock, truncation to the hour, JSON, upserts and locks.

Not here: whole queries.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from pmmds_core.stores.database.engine import limit_lock_wait
from pmmds_core.stores.database.tables import UtcDateTime

# ingested_at is set before the row's transaction commits. If the commit takes longer than this, the row is not counted
# until its hour changes again; usually it takes milliseconds.
LATE_COMMIT = timedelta(minutes=5)
WRITERS_WAIT_SECONDS = 60


class DatabaseNow(GenericFunction[Any]):
    """The statement's start time on the database's clock, which all writers and readers share."""

    type = UtcDateTime()
    name = "database_now"
    inherit_cache = True


class HourOf(GenericFunction[Any]):
    """A column's timestamp truncated to the hour."""

    type = UtcDateTime()
    name = "hour_of"
    inherit_cache = True


class MissingFloat(GenericFunction[bool]):
    """True if a float column is NULL or NaN."""

    type = sa.Boolean()
    name = "missing_float"
    inherit_cache = True


class FeatureNumber(GenericFunction[float]):
    """A numeric value of one feature in a drift report's document; NULL if the report does not include the feature."""

    type = sa.Float()
    name = "feature_number"
    inherit_cache = True


@compiles(DatabaseNow, "sqlite")
def _sqlite_now(_element: DatabaseNow, _compiler: SQLCompiler, **_options: Any) -> str:
    # Write six fractional digits, as SQLAlchemy does, because timestamps are compared as text.
    return "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')"


@compiles(DatabaseNow, "postgresql")
def _postgresql_now(_element: DatabaseNow, _compiler: SQLCompiler, **_options: Any) -> str:
    return "timezone('UTC', statement_timestamp())"


@compiles(HourOf, "sqlite")
def _sqlite_hour(element: HourOf, compiler: SQLCompiler, **options: Any) -> str:
    return f"(substr({compiler.process(element.clauses, **options)}, 1, 13) || ':00:00.000000')"


@compiles(HourOf, "postgresql")
def _postgresql_hour(element: HourOf, compiler: SQLCompiler, **options: Any) -> str:
    return f"date_trunc('hour', {compiler.process(element.clauses, **options)})"


@compiles(MissingFloat, "sqlite")
def _sqlite_missing(element: MissingFloat, compiler: SQLCompiler, **options: Any) -> str:
    return f"({compiler.process(element.clauses, **options)} IS NULL)"  # SQLite stores NaN as NULL


@compiles(MissingFloat, "postgresql")
def _postgresql_missing(element: MissingFloat, compiler: SQLCompiler, **options: Any) -> str:
    column = compiler.process(element.clauses, **options)
    return f"({column} = 'NaN' OR {column} IS NULL)"  # in PostgreSQL, NaN equals itself and is greater than all numbers


@compiles(FeatureNumber, "sqlite")
def _sqlite_number(element: FeatureNumber, compiler: SQLCompiler, **options: Any) -> str:
    document, feature, name = (compiler.process(c, **options) for c in element.clauses)
    return (
        f"(SELECT json_extract(f.value, '$.' || {name}) FROM json_each({document}, '$.features') AS f "
        f"WHERE json_extract(f.value, '$.feature') = {feature})"
    )


@compiles(FeatureNumber, "postgresql")
def _postgresql_number(element: FeatureNumber, compiler: SQLCompiler, **options: Any) -> str:
    document, feature, name = (compiler.process(c, **options) for c in element.clauses)
    return (
        f"(SELECT CAST(f ->> CAST({name} AS TEXT) AS FLOAT) FROM json_array_elements({document} -> 'features') AS f "
        f"WHERE f ->> 'feature' = {feature})"
    )


def database_now() -> DatabaseNow:
    return DatabaseNow()


def hour_of(column: sa.ColumnElement[Any]) -> HourOf:
    return HourOf(column)


def missing_float(column: sa.ColumnElement[Any]) -> MissingFloat:
    return MissingFloat(column)


def feature_number(document: sa.ColumnElement[Any], feature: str, name: str) -> FeatureNumber:
    return FeatureNumber(document, feature, name)


def insert(connection: sa.Connection, table: sa.Table) -> Any:
    """An insert with `on_conflict_do_nothing` and `on_conflict_do_update` for the connection's engine."""
    # Importing a dialect takes a tenth of a command's start-up time, so only the one in use is imported.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table)


def listed(connection: sa.Connection, texts: Sequence[str]) -> sa.Select[Any]:
    """A subquery of these strings for IN and NOT IN; it needs one parameter, however many strings there are."""
    if connection.dialect.name == "postgresql":
        return sa.select(sa.func.unnest(sa.cast(list(texts), sa.ARRAY(sa.Text))))
    values = sa.func.json_each(json.dumps(list(texts))).table_valued("value")
    return sa.select(values.c.value)


def lock_writers(connection: sa.Connection, what: str) -> None:
    """Serialize transactions that write `what`. Does nothing on SQLite, which allows only one writer at a time.

    Use it for tables that several roles write. Any login can hold the lock, so waiting for it times out after
    WRITERS_WAIT_SECONDS.

    Raises:
        DBAPIError: the wait timed out; `Database` translates it.
    """
    if connection.dialect.name == "postgresql":
        limit_lock_wait(connection, WRITERS_WAIT_SECONDS)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(what))))


def lock_table(connection: sa.Connection, table: sa.Table) -> None:
    """Like `lock_writers`, but with a table lock that requires UPDATE or DELETE on `table`.

    Use it for small tables only, because the lock and (auto)vacuum block each other. Rows can still be read and
    written.
    """
    if connection.dialect.name == "postgresql":
        limit_lock_wait(connection, WRITERS_WAIT_SECONDS)
        connection.exec_driver_sql(f"LOCK TABLE {table.name} IN SHARE UPDATE EXCLUSIVE MODE")
