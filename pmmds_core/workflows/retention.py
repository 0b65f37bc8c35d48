"""Retention of the prediction log: creates partitions ahead and archives days older than PMMDS_RETENTION_DAYS.

Does not live here: archiving a day (stores/predictions/archive.py), partitions (stores/database/partitions.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.partitions import MadeDays, keep_days
from pmmds_core.stores.predictions.archive import Part


@dataclass(frozen=True)
class RetentionResult:
    """The result of a run. `parts`: files written, oldest day first."""

    made: MadeDays
    parts: tuple[Part, ...]
    n_empty_days: int


def keep_retention(deployment: Deployment, now: datetime | None = None) -> RetentionResult:
    """Create partitions ahead and archive every day that ended PMMDS_RETENTION_DAYS ago; 0 archives nothing.

    Raises:
        StoreError: for example a full disk. Days before the failed one are archived; the others are unchanged.
    """
    at = (now or datetime.now(UTC)).astimezone(UTC)
    made = keep_days(deployment.database, at)
    if not deployment.settings.retention_days:
        return RetentionResult(made, (), 0)
    end = at - timedelta(days=deployment.settings.retention_days)
    parts = [part for day in deployment.archive.days_before(end) for part in deployment.archive.archive(day)]
    return RetentionResult(made, tuple(parts), deployment.archive.drop_empty_days(end))
