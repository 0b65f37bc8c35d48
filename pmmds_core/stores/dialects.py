"""What SQLite and PostgreSQL say in different words: the clock, the hour of an instant, inserts that may meet a row.

Add an expression here when the two engines differ in it. Keep out: whole queries.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from pmmds_core.stores.database import Database
from pmmds_core.stores.tables import UtcDateTime


class DatabaseNow(GenericFunction[Any]):
    """When the statement began, by the database's clock, which all writers and readers share."""

    type = UtcDateTime()
    name = "database_now"
    inherit_cache = True


class HourOf(GenericFunction[Any]):
    """The first instant of the hour that a column's instant falls into."""

    type = UtcDateTime()
    name = "hour_of"
    inherit_cache = True


@compiles(DatabaseNow, "sqlite")
def _sqlite_now(_element: DatabaseNow, _compiler: SQLCompiler, **_options: Any) -> str:
    # Six digits, as SQLAlchemy writes them: instants are compared as text.
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


def database_now() -> DatabaseNow:
    return DatabaseNow()


def hour_of(column: sa.ColumnElement[Any]) -> HourOf:
    return HourOf(column)


def insert(database: Database, table: sa.Table) -> Any:
    """An insert that has `on_conflict_do_nothing` and `on_conflict_do_update`, alike on both engines."""
    return postgresql.insert(table) if database.dialect == "postgresql" else sqlite.insert(table)
