"""The days of the prediction log on PostgreSQL: made ahead of time, and for rows that came without theirs.

A row whose day is not there goes into the default partition, so writing never waits for a day to be made.
Keep out: dropping days (stores/predictions/archive.py); SQLite, which has one table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import sqlalchemy as sa

from pmmds_core.stores.database.engine import Database

DAYS_AHEAD = 7
# Rows of the default partition move while nobody may write it: who has to wait longer than this for it tries later.
LOCK_TIMEOUT_SECONDS = 10
_DEFAULT = "prediction_logs_default"
# A partition of another name is not made by PMMDS: its rows are read as all others, and it is never dropped.
_DAY = re.compile(r"prediction_logs_(\d{8})")


@dataclass(frozen=True)
class MadeDays:
    """Days that have a partition since, and rows of the default partition that moved into them."""

    days: tuple[date, ...]
    n_moved: int


def keep_days(database: Database, now: datetime | None = None) -> MadeDays:
    """Make the partitions of yesterday, today and `DAYS_AHEAD` days, and of every day with rows in the default one.

    Each day is made in a transaction of its own. Does nothing on SQLite. May run at any time, and twice.

    Raises:
        DatabaseUnavailableError: not allowed to, or the lock was not free in time; days that were made stay.
    """
    if database.dialect != "postgresql":
        return MadeDays((), 0)
    with database.connect() as connection:
        wanted = _missing(connection, now or datetime.now(UTC))
    made: dict[date, int] = {}
    for day in wanted:
        with database.begin() as connection:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
            n_moved = make_day(connection, day)
        if n_moved is not None:
            made[day] = n_moved
    return MadeDays(tuple(made), sum(made.values()))


def make_days(connection: sa.Connection) -> None:
    """The same days, in the transaction of a migration."""
    for day in _missing(connection, datetime.now(UTC)):
        make_day(connection, day)


def make_day(connection: sa.Connection, day: date) -> int | None:
    """How many rows moved from the default partition into this day's; None when the day was there."""
    found: int | None = connection.execute(sa.select(sa.func.pmmds_make_day(day))).scalar_one()
    return found


def days_of(connection: sa.Connection) -> list[date]:
    """The days that have a partition, oldest first."""
    query = sa.text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'prediction_logs'::regclass")
    names = (str(name).rpartition(".")[2] for name in connection.execute(query).scalars())
    found = (_DAY.fullmatch(name) for name in names)
    return sorted(date.fromisoformat(day[1]) for day in found if day)


def homeless_days(connection: sa.Connection) -> list[date]:
    """Days of the rows in the default partition."""
    query = sa.text(f"SELECT DISTINCT predicted_at::date FROM {_DEFAULT} ORDER BY 1")
    return list(connection.execute(query).scalars())


def _missing(connection: sa.Connection, now: datetime) -> Sequence[date]:
    today = now.astimezone(UTC).date()
    ahead = (today + timedelta(days=i) for i in range(-1, DAYS_AHEAD + 1))
    return sorted({*ahead, *homeless_days(connection)} - set(days_of(connection)))
