"""Which of several Dagster daemons of one instance works: who has a lock, kept where the instance keeps its runs.

With PostgreSQL it is a lock of a table in Dagster's database, held by a session, so it holds between machines;
otherwise a lock file in DAGSTER_HOME. Keep out: starting the daemon (daemon.py).
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from pmmds_core.runtime.file_lock import try_lock_file
from pmmds_core.stores.database.session_lock import SessionLock

if TYPE_CHECKING:
    import psycopg

LOCK_FILE = "daemon.lock"
# In Dagster's database, owned by the login that Dagster has there: nobody else can lock it.
LOCK_TABLE = "pmmds_daemon_lead"


class Standing(Enum):
    """What came of asking for the lead; `UNKNOWN`: the database does not answer."""

    LEADS = "leads"
    FOLLOWS = "follows"
    UNKNOWN = "unknown"


class Leadership(Protocol):
    """The lead of one instance."""

    def ask(self) -> Standing:
        """Take the lead where it is free, and say who has it; asked again, whether it is still held."""
        ...


class FileLeadership:
    """The lead by a lock file: never lost before the process ends."""

    def __init__(self, dagster_home: Path) -> None:
        self._file = dagster_home / LOCK_FILE
        self._lock: IO[str] | None = None

    def ask(self) -> Standing:
        """Raises OSError: the file cannot be written."""
        if self._lock is None:
            self._lock = try_lock_file(self._file)
        return Standing.FOLLOWS if self._lock is None else Standing.LEADS

    def close(self) -> None:
        """Give the lead up."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class PostgresLeadership:
    """The lead by a lock of a session that is kept open; lost with the session, and then asked for again."""

    def __init__(self, url: str) -> None:
        self._lock = SessionLock(url, LOCK_TABLE)
        self._has_table = False

    def ask(self) -> Standing:
        try:
            self._make_table()
            return Standing.LEADS if self._lock.try_acquire() else Standing.FOLLOWS
        except DBAPIError:
            return Standing.UNKNOWN

    def close(self) -> None:
        """Give the lead up."""
        self._lock.release()

    def is_pooled(self) -> bool:
        """Whether a pooler stands before the server: it hands the session to others, and the lock with it.

        A pooler cannot pass the server's process id on at log-in, when it has not chosen a session yet.

        Raises:
            DBAPIError: the database does not answer.
        """
        with self._lock.engine.connect() as session:
            told: int = cast("psycopg.Connection", session.connection.driver_connection).info.backend_pid
            works: int = session.execute(sa.select(sa.func.pg_backend_pid())).scalar_one()
        return told != works

    def _make_table(self) -> None:
        """Two daemons that make it at once: one fails, and asks again a second later."""
        if not self._has_table:
            with self._lock.engine.begin() as session:
                session.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {LOCK_TABLE} ()")
            self._has_table = True
