"""Keeping the prediction log within PMMDS_RETENTION_DAYS: days made ahead, days that are over archived.

Keep out: how a day is archived (stores/predictions/archive.py) and made (stores/database/partitions.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.partitions import MadeDays, keep_days
from pmmds_core.stores.predictions.archive import Part


@dataclass(frozen=True)
class Kept:
    """What was done. `parts`: files written, oldest day first."""

    made: MadeDays
    parts: tuple[Part, ...]
    n_empty_days: int


def keep_retention(deployment: Deployment, now: datetime | None = None) -> Kept:
    """Make days ahead; archive every day that ended PMMDS_RETENTION_DAYS ago. With 0 nothing is archived.

    Raises:
        StoreError: such as a full disk; days before the one that failed are archived, and all else stays.
    """
    at = (now or datetime.now(UTC)).astimezone(UTC)
    made = keep_days(deployment.database, at)
    if not deployment.settings.retention_days:
        return Kept(made, (), 0)
    end = at - timedelta(days=deployment.settings.retention_days)
    parts = [part for day in deployment.archive.days_before(end) for part in deployment.archive.archive(day)]
    return Kept(made, tuple(parts), deployment.archive.drop_empty_days(end))
