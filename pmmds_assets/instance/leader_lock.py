"""Leader election among the Dagster daemons of one instance.

With PostgreSQL the leader holds a table lock in Dagster's database, which works across machines. Otherwise, it holds a
lock file in DAGSTER_HOME. Not here: running the daemon (daemon.py).
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
# The table is in Dagster's database and owned by Dagster's login, so that no other login can lock it.
LOCK_TABLE = "pmmds_daemon_lead"


class Role(Enum):
    """The role of this process. It is UNKNOWN while the database does not respond."""

    LEADER = "leader"
    STANDBY = "standby"
    UNKNOWN = "unknown"


class LeaderLock(Protocol):
    """The leader lock of one Dagster instance."""

    def try_acquire(self) -> Role:
        """Acquire the lock if it is free, and return this process's role.

        Later calls check that the lock is still held.
        """
        ...


class FileLeaderLock:
    """A leader lock that uses a lock file. The process holds the lock until it exits."""

    def __init__(self, dagster_home: Path) -> None:
        self._file = dagster_home / LOCK_FILE
        self._lock: IO[str] | None = None

    def try_acquire(self) -> Role:
        """Acquire the lock if it is free. Raises OSError if the file cannot be written."""
        if self._lock is None:
            self._lock = try_lock_file(self._file)
        return Role.STANDBY if self._lock is None else Role.LEADER

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class PostgresLeaderLock:
    """A leader lock held by an open database session.

    If the session ends, the next call tries to reacquire the lock.
    """

    def __init__(self, url: str) -> None:
        self._lock = SessionLock(url, LOCK_TABLE)
        self._has_table = False

    def try_acquire(self) -> Role:
        try:
            self._create_table()
            return Role.LEADER if self._lock.try_acquire() else Role.STANDBY
        except DBAPIError:
            return Role.UNKNOWN

    def close(self) -> None:
        """Release the lock."""
        self._lock.release()

    def is_pooled(self) -> bool:
        """Return True if the connection uses a pooler, which shares the session and its locks with other clients.

        At login, a pooler has not chosen a server session yet, so the process id it reports differs from the server's.

        Raises:
            DBAPIError: the database does not respond.
        """
        with self._lock.engine.connect() as session:
            reported: int = cast("psycopg.Connection", session.connection.driver_connection).info.backend_pid
            actual: int = session.execute(sa.select(sa.func.pg_backend_pid())).scalar_one()
        return reported != actual

    def _create_table(self) -> None:
        """Create the lock table.

        If two daemons create the table at the same time, one fails and tries again a second later.
        """
        if not self._has_table:
            with self._lock.engine.begin() as session:
                session.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {LOCK_TABLE} ()")
            self._has_table = True
