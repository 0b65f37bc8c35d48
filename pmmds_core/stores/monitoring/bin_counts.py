"""Counts a window's rows per feature and bin inside the database, in one scan.

The bins are exactly those of profiling/bin_queries.py. Not here: choosing the hours and storing the counts
(histograms.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, assert_never

import sqlalchemy as sa

from pmmds_core.profiling.bin_queries import BinQuery, Predicate, bin_queries, counts_of
from pmmds_core.profiling.bins import SCORE, FeatureBins
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.stores.database.dialects import hour_of, missing_float
from pmmds_core.stores.predictions.logged_rows import Source

# SQLite allows 2,000 result columns and PostgreSQL 1,664; a wider contract needs several scans.
_COUNTS_PER_SCAN = 1500


@dataclass(frozen=True)
class HourCounts:
    """Counts of one hour of one model version. `counts`: feature → count per bin, in the profile's order."""

    model_version: str
    hour: datetime
    n_rows: int
    profile_digest: str
    counts: dict[str, list[int]]

    def to_rows(self) -> Iterator[dict[str, Any]]:
        """Convert the counts to rows of feature_histograms, one per feature."""
        for feature, counts in self.counts.items():
            yield {
                "model_version": self.model_version,
                "hour": self.hour,
                "feature": feature,
                "profile_digest": self.profile_digest,
                "counts": counts,
                "n_rows": self.n_rows,
            }


def count_bins(
    source: Source,
    log: sa.Table,
    profile: ReferenceProfile,
    model_name: str,
    model_version: str,
    start: datetime,
    end: datetime,
) -> list[HourCounts]:
    """Count the rows that a version predicted in [start, end), for each hour that has rows.

    Args:
        source: a snapshot, because a wide contract needs several scans.
        log: prediction_logs.
        profile: profile of `model_version`.
        model_name: name of the model.
        model_version: the version to count.
        start: the start of an hour.
        end: the start of an hour, exclusive.
    """
    conditions = rows_of_version(log, model_name, model_version, start, end)
    if end - start == timedelta(hours=1):
        # The hourly update counts a single hour: without GROUP BY, SQLite does not sort the rows and takes a quarter
        # less time.
        whole = count_groups(source, log, profile, None, conditions)
        by_hour = {start: whole[None]} if whole else {}
    else:
        by_hour = count_groups(source, log, profile, hour_of(log.c.predicted_at), conditions)
    return [HourCounts(model_version, at, n, profile.digest, counts) for at, (n, counts) in sorted(by_hour.items())]


def sum_by_hour(counted: Sequence[HourCounts]) -> list[HourCounts]:
    """Merge the counts per version and hour, because an hour's rows may be in both the database and the archive."""
    totals: dict[tuple[str, datetime], HourCounts] = {}
    for hour in counted:
        key = hour.model_version, hour.hour
        if key in totals:
            other = totals[key]
            counts = {f: [a + b for a, b in zip(c, other.counts[f], strict=True)] for f, c in hour.counts.items()}
            hour = replace(hour, n_rows=hour.n_rows + other.n_rows, counts=counts)
        totals[key] = hour
    return list(totals.values())


def rows_of_version(
    log: sa.Table, model_name: str, model_version: str, start: datetime, end: datetime
) -> tuple[sa.ColumnElement[bool], ...]:
    """Conditions for rows of the log that a version predicted in [start, end)."""
    return (
        log.c.model_name == model_name,
        log.c.model_version == model_version,
        log.c.predicted_at >= start,
        log.c.predicted_at < end,
    )


def count_groups(
    source: Source,
    log: sa.Table,
    profile: ReferenceProfile,
    key: sa.ColumnElement[Any] | None,
    conditions: Sequence[sa.ColumnElement[bool]],
) -> dict[Any, tuple[int, dict[str, list[int]]]]:
    """Map each value of `key` to (number of rows, feature → counts in the profile's order).

    Without a key, all rows form the group None. If there are no rows, there is no group.
    """
    query = sa.select(sa.null() if key is None else key, sa.func.count().label("n_rows")).where(*conditions)
    if key is not None:
        query = query.group_by(key)
    groups: dict[Any, tuple[int, dict[str, list[int]]]] = {}
    for bins in _scans([f.bins for f in profile.with_score]):
        counts = [sa.func.count().filter(_condition(_column(log, b), t)) for b in bins for t in bin_queries(b)]
        for value, n_rows, *numbers in source.execute(query.add_columns(*counts)):
            if n_rows:
                groups.setdefault(value, (n_rows, {}))[1].update(_split(bins, n_rows, numbers))
    return groups


def _column(log: sa.Table, bins: FeatureBins) -> sa.ColumnElement[Any]:
    return log.c.probability if bins.feature == SCORE else log.c[bins.feature]


def _scans(bins: Sequence[FeatureBins]) -> Iterator[list[FeatureBins]]:
    scan: list[FeatureBins] = []
    width = 0
    for feature in bins:
        n_counts = len(bin_queries(feature))
        if scan and width + n_counts > _COUNTS_PER_SCAN:
            yield scan
            scan, width = [], 0
        scan.append(feature)
        width += n_counts
    yield scan


def _condition(column: sa.ColumnElement[Any], query: BinQuery) -> sa.ColumnElement[bool]:
    match query.test:
        case Predicate.NULL:
            return missing_float(column) if isinstance(column.type, sa.Float) else column.is_(None)
        case Predicate.NOT_A_NUMBER:
            return sa.false()  # the log's numeric columns cannot contain text
        case Predicate.BELOW:
            return column < sa.literal(query.operand, sa.Float(53))
        case Predicate.AT_MOST:
            return column <= sa.literal(query.operand, sa.Float(53))
        case Predicate.EQUALS:
            return column == query.operand
    assert_never(query.test)


def _split(bins: Sequence[FeatureBins], n_rows: int, numbers: Sequence[int]) -> dict[str, list[int]]:
    """Convert the scan's numbers to counts per feature, in the order of the feature's bins."""
    counts: dict[str, list[int]] = {}
    position = 0
    for feature in bins:
        end = position + len(bin_queries(feature))
        counts[feature.feature] = counts_of(feature, n_rows, numbers[position:end])
        position = end
    return counts
