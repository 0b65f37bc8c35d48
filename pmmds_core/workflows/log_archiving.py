"""Maintains the prediction log: creates partitions in advance and archives days older than PMMDS_RETENTION_DAYS.

Not here: archiving a day (stores/predictions/archive.py), partitions (stores/database/partitions.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.partitions import MadeDays, keep_days
from pmmds_core.stores.predictions.archive_parts import Part

# Each archived file is read completely once in this many nights.
DAYS_TO_READ_ALL = 30


@dataclass(frozen=True)
class RetentionResult:
    """The result of a run.

    `parts` has the files that were written, oldest day first. `problems` has the parts that differ from their files.
    """

    made: MadeDays
    parts: tuple[Part, ...]
    n_empty_days: int
    problems: tuple[str, ...] = ()


def archive_due_days(deployment: Deployment, now: datetime | None = None) -> RetentionResult:
    """Create partitions in advance, and archive days that ended at least PMMDS_RETENTION_DAYS ago.

    A value of 0 archives nothing. Every recorded part is compared with its file by size and row count. One part in 30
    is also compared by content, so that each file is read completely once in 30 days.

    Raises:
        StoreError: a file cannot be written, for example on a full disk.
        DataError: an earlier part of a day to archive is missing or damaged. In both cases, the earlier days are
            archived, and the others are unchanged.
    """
    at = (now or datetime.now(UTC)).astimezone(UTC)
    made = keep_days(deployment.database, at)
    if not deployment.settings.retention_days:
        return RetentionResult(made, (), 0, _problems(deployment, at))
    end = at - timedelta(days=deployment.settings.retention_days)
    parts = [part for day in deployment.archive.days_before(end) for part in deployment.archive.archive(day)]
    return RetentionResult(made, tuple(parts), deployment.archive.drop_empty_days(end), _problems(deployment, at))


def _problems(deployment: Deployment, now: datetime) -> tuple[str, ...]:
    archive, today = deployment.archive, now.date().toordinal()
    with archive.snapshot() as connection:
        parts = archive.parts(connection)
    due = [(today - part.day.toordinal()) % DAYS_TO_READ_ALL == 0 for part in parts]
    pairs = zip(parts, due, strict=True)
    return tuple(text for part, whole in pairs for text in archive.problems([part], with_content=whole))
