"""Who has the daemons' lead in a PostgreSQL, as the server itself tells."""

from __future__ import annotations

import psycopg

from pmmds_assets.instance.leadership import LOCK_TABLE

_QUERY = (
    "SELECT pid FROM pg_locks WHERE relation = to_regclass(%s) AND mode = 'ShareUpdateExclusiveLock' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def sessions_with_the_lead(url: str) -> list[int]:
    """The server's process ids of the sessions that hold it."""
    with psycopg.connect(url, autocommit=True) as connection:
        return [pid for (pid,) in connection.execute(_QUERY, (LOCK_TABLE,)).fetchall()]


def end_sessions_with_the_lead(url: str) -> int:
    """End each, as a restart or a failover of the server does; how many they were."""
    found = sessions_with_the_lead(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for pid in found:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    return len(found)
