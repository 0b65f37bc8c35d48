"""A PostgreSQL table lock that a process holds while it works, by keeping a transaction open.

The server releases it when the session ends, even if the process or machine crashes. Only a login with a privilege to
change the table can hold it. The transaction reads and writes nothing, so it does not block vacuum.
Not here: what the lock protects (stores/lifecycle/training_lock.py, pmmds_assets/instance/leader_lock.py).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from pmmds_core.stores.database.engine import CONNECT_TIMEOUT_SECONDS

# Both ends must detect a lost peer within half a minute: the server to release the lock to another process, the client
# to stop working. By default, operating systems wait for hours.
_KEEPALIVES = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 3}
_UNANSWERED_MS = 20_000
_CLIENT = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, **_KEEPALIVES, "tcp_user_timeout": _UNANSWERED_MS}
# LOCAL, because a pooler later gives the session to another client.
_SERVER = (
    *(f"SET LOCAL tcp_{name} = {value}" for name, value in _KEEPALIVES.items()),
    f"SET LOCAL tcp_user_timeout = {_UNANSWERED_MS}",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)
_NOT_FREE = "55P03"


class SessionLock:
    """A lock on one table, held by a dedicated session outside any connection pool."""

    def __init__(self, url: str | sa.URL, table: str) -> None:
        driver = sa.make_url(url).set(drivername="postgresql+psycopg")  # Dagster's URL may specify psycopg2
        self.engine = sa.create_engine(
            driver, poolclass=sa.NullPool, connect_args={"prepare_threshold": None, **_CLIENT}
        )
        self._statement = f"LOCK TABLE {table} IN SHARE UPDATE EXCLUSIVE MODE NOWAIT"
        self._session: sa.Connection | None = None

    def try_acquire(self) -> bool:
        """Acquire the lock if it is free. Returns True if this process now holds it.

        Raises:
            DBAPIError: the database is unreachable, the table is missing, or this login may not lock it.
        """
        if self._session is not None and not self._answers():
            self.release()
        if self._session is not None:
            return True
        session = self.engine.connect()
        try:
            for statement in (*_SERVER, self._statement):
                session.exec_driver_sql(statement)
        except DBAPIError as error:
            session.close()
            if getattr(error.orig, "sqlstate", None) == _NOT_FREE:
                return False
            raise
        self._session = session
        return True

    def release(self) -> None:
        """Release the lock if held."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _answers(self) -> bool:
        assert self._session is not None
        try:
            self._session.execute(sa.select(1))
        except DBAPIError:
            self._session.invalidate()
            return False
        return True
