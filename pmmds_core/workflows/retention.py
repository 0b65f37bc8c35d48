"""Keeping the prediction log within PMMDS_RETENTION_DAYS: days made ahead, days that are over archived.

Keep out: how a day is archived (stores/predictions/archive.py) and made (stores/database/partitions.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.partitions import MadeDays, keep_days
from pmmds_core.stores.predictions.archive_parts import Part

# Each file is read whole once in so many nights.
DAYS_TO_READ_ALL = 30


@dataclass(frozen=True)
class Kept:
    """What was done. `parts`: files written, oldest day first. `problems`: recorded parts whose file differs."""

    made: MadeDays
    parts: tuple[Part, ...]
    n_empty_days: int
    problems: tuple[str, ...] = ()


def keep_retention(deployment: Deployment, now: datetime | None = None) -> Kept:
    """Make days ahead; archive every day that ended PMMDS_RETENTION_DAYS ago. With 0 nothing is archived.

    Every recorded part is compared with its file by size and rows, and a thirtieth of them by content, so that each
    file is read whole once in 30 days.

    Raises:
        StoreError: such as a full disk.
        DataError: an earlier part of a day that is to be archived is missing or damaged. In both cases the days before
            it are archived, and everything else stays.
    """
    at = (now or datetime.now(UTC)).astimezone(UTC)
    made = keep_days(deployment.database, at)
    if not deployment.settings.retention_days:
        return Kept(made, (), 0, _problems(deployment, at))
    end = at - timedelta(days=deployment.settings.retention_days)
    parts = [part for day in deployment.archive.days_before(end) for part in deployment.archive.archive(day)]
    return Kept(made, tuple(parts), deployment.archive.drop_empty_days(end), _problems(deployment, at))


def _problems(deployment: Deployment, now: datetime) -> tuple[str, ...]:
    archive, today = deployment.archive, now.date().toordinal()
    with archive.snapshot() as connection:
        parts = archive.parts(connection)
    due = [(today - part.day.toordinal()) % DAYS_TO_READ_ALL == 0 for part in parts]
    pairs = zip(parts, due, strict=True)
    return tuple(text for part, whole in pairs for text in archive.problems([part], with_content=whole))
