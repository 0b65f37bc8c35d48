"""Opens the database, runs transactions and translates its errors.

Not here: queries (each store has its own).
"""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from pmmds_core.config.settings import Settings
from pmmds_core.errors import DatabaseUnavailableError, HomeNotWritableError
from pmmds_core.runtime.private_folders import make_private
from pmmds_core.stores.database.errors import place_of, translate
from pmmds_core.stores.database.urls import parsed_url

CONNECT_TIMEOUT_SECONDS = 5
BUSY_TIMEOUT_SECONDS = 15.0
# The maximum wait for a PostgreSQL lock, unless the transaction sets a different limit.
LOCK_WAIT_SECONDS = 60


@dataclass(frozen=True)
class Database:
    """A database that provides context managers for reading and for writing."""

    engine: sa.Engine

    @property
    def dialect(self) -> str:
        """Return the name of the dialect, which is sqlite or postgresql."""
        return self.engine.dialect.name

    @property
    def file(self) -> Path | None:
        """Return the path of the SQLite file, or None for PostgreSQL."""
        return _sqlite_path(self.engine.url)

    @property
    def place(self) -> str:
        """Return the database's name and address without the password, for use in messages."""
        return place_of(self.engine.url)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """Open a transaction for writing that is committed at the end of the block, or rolled back if the block raises.

        On SQLite the write lock is acquired first, so that the transaction cannot fail halfway because of another
        writer.

        Raises:
            DatabaseUnavailableError: if the database is unreachable, locked, full or read-only.
            SchemaOutdatedError: if a table or column is missing.
        """
        writing = self.engine.execution_options(begins_immediate=True)
        with self._translated_errors(), writing.begin() as connection:
            yield connection

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """Open a connection for reading. Raise the same errors as `begin`."""
        with self._translated_errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """Open a connection whose statements all read the same snapshot. Raise the same errors as `begin`."""
        with self.connect() as connection:
            if self.dialect == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    def ping(self) -> None:
        """Check the connection.

        Raise DatabaseUnavailableError if the database is unreachable or its file does not exist.
        """
        path = _sqlite_path(self.engine.url)
        if path is not None and not path.exists():
            raise DatabaseUnavailableError(
                f"The database file {path} does not exist.",
                next_step="Restore the file, or restart PMMDS to create an empty database.",
            )
        with self.connect() as connection:
            connection.execute(sa.text("PRAGMA schema_version" if path else "SELECT 1")).first()

    def close(self) -> None:
        """Close all idle connections."""
        self.engine.dispose()

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeoutError) as error:
            translated = translate(error, self.engine.url)
            if translated is None:
                raise
            raise translated from error


def open_database(settings: Settings, *, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> Database:
    """Open a deployment's database. Connections are made on first use.

    Args:
        settings: the settings, of which `database_url` is used or, if it is not set, a SQLite file under `home`.
        busy_timeout_seconds: the maximum time that a SQLite writer waits for another writer.

    Raises:
        SettingError: if PMMDS_DATABASE_URL is not a URL for SQLite or PostgreSQL.
        HomeNotWritableError: if the SQLite file's folder cannot be created.
        DatabaseUnavailableError: if the driver is not installed.
    """
    url = parsed_url(settings.resolved_database_url, "PMMDS_DATABASE_URL", ("sqlite", "postgresql"))
    is_file = url.get_backend_name() == "sqlite"
    if is_file:
        engine = _sqlite_engine(url, busy_timeout_seconds)
    else:
        engine = _postgresql_engine(url, settings.database_pool_size)
    database = Database(engine)
    # Sensors open a deployment every few seconds, so its connections must be closed with it.
    weakref.finalize(database, engine.dispose)
    return database


def _sqlite_path(url: sa.URL) -> Path | None:
    """Return the file path of a SQLite URL, or None for PostgreSQL."""
    if url.get_backend_name() != "sqlite":
        return None
    name = url.database or ""
    # SQLAlchemy passes SQLite's own `file:` URIs through unchanged. In a plain path, a question mark is an ordinary
    # character.
    return Path(name.removeprefix("file:").partition("?")[0]) if name.startswith("file:") else Path(name)


def _sqlite_engine(url: sa.URL, busy_timeout_seconds: float) -> sa.Engine:
    path = _sqlite_path(url)
    assert path is not None
    try:
        make_private(path.parent)
    except OSError as error:
        raise HomeNotWritableError(
            f"The folder {path.parent} of the database cannot be created: {error.strerror}.",
            next_step="Set PMMDS_HOME to a writable folder.",
        ) from None
    engine = sa.create_engine(url, connect_args={"timeout": busy_timeout_seconds})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    # The sqlite3 module's implicit transactions do not cover schema changes, so PMMDS begins transactions explicitly.
    connection.isolation_level = None
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        connection.execute("PRAGMA journal_mode = WAL")
    # With NORMAL, a power failure could lose commits, but the spool deletes its rows as soon as they are committed.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    immediate = connection.get_execution_options().get("begins_immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def limit_lock_wait(connection: sa.Connection, seconds: int) -> None:
    """Limit each wait for a PostgreSQL lock in this transaction only, because a pooler shares the session."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{seconds}s'")


def _postgresql_engine(url: sa.URL, pool_size: int) -> sa.Engine:
    # PgBouncer in transaction mode may use a different connection for each transaction, so prepared statements would be
    # missing. It also rejects start-up options. Timestamps are stored in UTC without a time zone, so the session's time
    # zone does not matter.
    arguments: dict[str, Any] = {"prepare_threshold": None}
    if "connect_timeout" not in url.query:
        arguments["connect_timeout"] = CONNECT_TIMEOUT_SECONDS
    try:
        engine = sa.create_engine(
            url, pool_pre_ping=True, pool_size=pool_size, max_overflow=0, pool_recycle=1800, connect_args=arguments
        )
    except ImportError:
        raise DatabaseUnavailableError(
            f"The driver for the {place_of(url)} is not installed.",
            next_step="Install it with `pip install 'pmmds[postgres]'`.",
        ) from None
    event.listen(engine, "begin", lambda connection: limit_lock_wait(connection, LOCK_WAIT_SECONDS))
    return engine
