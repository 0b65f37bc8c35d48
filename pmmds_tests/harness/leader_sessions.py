"""Finds and terminates the PostgreSQL sessions that hold the daemons' leader lock."""

from __future__ import annotations

import psycopg

from pmmds_assets.instance.leader_lock import LOCK_TABLE

_QUERY = (
    "SELECT pid FROM pg_locks WHERE relation = to_regclass(%s) AND mode = 'ShareUpdateExclusiveLock' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def leader_sessions(url: str) -> list[int]:
    """Return the process ids of the server's sessions that hold the lock."""
    with psycopg.connect(url, autocommit=True) as connection:
        return [pid for (pid,) in connection.execute(_QUERY, (LOCK_TABLE,)).fetchall()]


def end_leader_sessions(url: str) -> int:
    """Terminate these sessions, like a server restart or a failover, and return the number of sessions."""
    pids = leader_sessions(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for pid in pids:
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    return len(pids)
