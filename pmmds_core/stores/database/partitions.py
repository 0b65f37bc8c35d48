"""Creates the prediction log's daily partitions on PostgreSQL, ahead of time and for rows in the default partition.

A row without a daily partition goes into the default partition, so writes never wait for a partition to be created.
Not here: dropping days (stores/predictions/archive.py). SQLite uses a single table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

from pmmds_core.stores.database.engine import Database, limit_lock_wait

DAYS_AHEAD = 7
# Moving rows locks out writers of the default partition. If waiting for the lock takes longer, a later run retries.
LOCK_TIMEOUT_SECONDS = 10
_DEFAULT = "prediction_logs_default"
# Partitions with other names were not created by PMMDS: it reads their rows but never drops them.
_DAY = re.compile(r"prediction_logs_(\d{8})")


@dataclass(frozen=True)
class MadeDays:
    """The days for which a partition was created, and the number of rows moved into them from the default partition."""

    days: tuple[date, ...]
    n_moved: int


def keep_days(database: Database, now: datetime | None = None) -> MadeDays:
    """Create the partitions of yesterday, today, the next `DAYS_AHEAD` days and every day in the default partition.

    One transaction per day; idempotent and safe to run concurrently. Does nothing on SQLite.

    Raises:
        DatabaseUnavailableError: a privilege is missing, or the lock timed out; days created before that remain.
    """
    if database.dialect != "postgresql":
        return MadeDays((), 0)
    with database.connect() as connection:
        wanted = _missing(connection, now or datetime.now(UTC))
    made: dict[date, int] = {}
    for day in wanted:
        with database.begin() as connection:
            limit_lock_wait(connection, LOCK_TIMEOUT_SECONDS)
            n_moved = make_day(connection, day)
        if n_moved is not None:
            made[day] = n_moved
    return MadeDays(tuple(made), sum(made.values()))


def make_days(connection: sa.Connection) -> None:
    """Like `keep_days`, but in a migration's transaction."""
    for day in _missing(connection, datetime.now(UTC)):
        make_day(connection, day)


def make_day(connection: sa.Connection, day: date) -> int | None:
    """Create a day's partition. Returns the number of rows moved into it; None if the day already has a partition."""
    n_moved: int | None = connection.execute(sa.select(sa.func.pmmds_make_day(day))).scalar_one()
    return n_moved


def days_of(connection: sa.Connection) -> list[date]:
    """Days that have a partition, oldest first."""
    query = sa.text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'prediction_logs'::regclass")
    names = (str(name).rpartition(".")[2] for name in connection.execute(query).scalars())
    matches = (_DAY.fullmatch(name) for name in names)
    return sorted(date.fromisoformat(match[1]) for match in matches if match)


def days_in_default_partition(connection: sa.Connection) -> list[date]:
    """Days that have rows in the default partition."""
    query = sa.text(f"SELECT DISTINCT predicted_at::date FROM {_DEFAULT} ORDER BY 1")
    return list(connection.execute(query).scalars())


def _missing(connection: sa.Connection, now: datetime) -> Sequence[date]:
    today = now.astimezone(UTC).date()
    ahead = (today + timedelta(days=i) for i in range(-1, DAYS_AHEAD + 1))
    return sorted({*ahead, *days_in_default_partition(connection)} - set(days_of(connection)))
