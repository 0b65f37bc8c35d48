"""Stores the size of each kind of stored data, which is measured every night, for metrics.

Not here: measuring (workflows/retention.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import storage_usage


def save_usage(database: Database, n_bytes: Mapping[str, int], now: datetime) -> None:
    """Replace the previous measurement."""
    rows = [{"kind": kind, "n_bytes": size, "measured_at": now} for kind, size in sorted(n_bytes.items())]
    with database.begin() as connection:
        connection.execute(sa.delete(storage_usage))
        if rows:
            connection.execute(sa.insert(storage_usage), rows)


def read_usage(connection: sa.Connection) -> dict[str, int]:
    """Return the bytes of each kind; empty before the first measurement."""
    rows = connection.execute(sa.select(storage_usage.c.kind, storage_usage.c.n_bytes))
    return {row.kind: row.n_bytes for row in rows}
