"""Which of several Dagster daemons of one instance works: who has a lock, kept where the instance keeps its runs.

With PostgreSQL it is a session's advisory lock in Dagster's database, so it holds between machines; otherwise a lock
file in DAGSTER_HOME. Keep out: starting the daemon (daemon.py).
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, cast

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from pmmds_core.process_lock import lead
from pmmds_core.stores.database import CONNECT_TIMEOUT_SECONDS

if TYPE_CHECKING:
    import psycopg

LOCK_FILE = "daemon.lock"
# One instance a database, so one number for all: "pmmds" in ASCII.
ADVISORY_LOCK = 0x706D6D6473
# Both ends must notice within half a minute that the other's machine is gone: the server so that another daemon can
# lead, the client so that this one stops. The systems' own defaults are hours.
_KEEPALIVES = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 3}
_UNANSWERED_MS = 20_000
_CLIENT = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, **_KEEPALIVES, "tcp_user_timeout": _UNANSWERED_MS}
_SERVER = (
    *(f"SET tcp_{name} = {value}" for name, value in _KEEPALIVES.items()),
    f"SET tcp_user_timeout = {_UNANSWERED_MS}",
)


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
            self._lock = lead(self._file)
        return Standing.FOLLOWS if self._lock is None else Standing.LEADS

    def close(self) -> None:
        """Give the lead up."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class PostgresLeadership:
    """The lead by a lock of a session that is kept open; lost with the session, and then asked for again."""

    def __init__(self, url: str) -> None:
        driver = sa.make_url(url).set(drivername="postgresql+psycopg")  # Dagster's own URL may name psycopg2
        self._engine = sa.create_engine(
            driver, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=_CLIENT
        )
        self._session: sa.Connection | None = None

    def ask(self) -> Standing:
        if self._session is not None and not _answers(self._session):
            self.close()
        return self._try() if self._session is None else Standing.LEADS

    def close(self) -> None:
        """Give the lead up."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def is_pooled(self) -> bool:
        """Whether a pooler stands before the server: it hands the session to others, and the lock with it.

        A pooler cannot pass the server's process id on at log-in, when it has not chosen a session yet.

        Raises:
            DBAPIError: the database does not answer.
        """
        with self._engine.connect() as session:
            told: int = cast("psycopg.Connection", session.connection.driver_connection).info.backend_pid
            works: int = session.execute(sa.select(sa.func.pg_backend_pid())).scalar_one()
        return told != works

    def _try(self) -> Standing:
        try:
            session = self._engine.connect()
        except DBAPIError:
            return Standing.UNKNOWN
        try:
            for statement in _SERVER:
                session.exec_driver_sql(statement)
            taken = session.execute(sa.select(sa.func.pg_try_advisory_lock(ADVISORY_LOCK))).scalar_one()
        except DBAPIError:
            session.close()
            return Standing.UNKNOWN
        if not taken:
            session.close()
            return Standing.FOLLOWS
        self._session = session
        return Standing.LEADS


def _answers(session: sa.Connection) -> bool:
    try:
        session.execute(sa.select(1))
    except DBAPIError:
        session.invalidate()
        return False
    return True
