"""Counting a window's rows per bin inside the database: one scan, one number for each bin of each feature.

The bins are those of profiling/bin_queries.py, to the row. Keep out: which hours are counted, and where the counts
are kept.
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

# SQLite allows 2,000 result columns and PostgreSQL 1,664; a wider contract takes more than one scan.
_COUNTS_PER_SCAN = 1500


@dataclass(frozen=True)
class HourCounts:
    """One hour of one model version. `counts`: feature to the count of each bin, in the profile's order."""

    model_version: str
    hour: datetime
    n_rows: int
    profile_digest: str
    counts: dict[str, list[int]]

    def to_rows(self) -> Iterator[dict[str, Any]]:
        """A row of feature_histograms for each feature."""
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
    """Counts of the rows that a version answered in [start, end), for each hour that has any.

    Args:
        source: of a snapshot, since a wide contract takes several scans.
        log: prediction_logs.
        profile: of `model_version`.
        model_name: whose rows.
        model_version: whose rows.
        start: the first instant of an hour.
        end: the first instant of an hour, exclusive.
    """
    conditions = rows_of_version(log, model_name, model_version, start, end)
    if end - start == timedelta(hours=1):
        # Every hour's update: without a group SQLite need not sort the rows first, which is a fourth of the time.
        whole = count_groups(source, log, profile, None, conditions)
        found = {start: whole[None]} if whole else {}
    else:
        found = count_groups(source, log, profile, hour_of(log.c.predicted_at), conditions)
    return [HourCounts(model_version, at, n, profile.digest, counts) for at, (n, counts) in sorted(found.items())]


def added_up(counted: Sequence[HourCounts]) -> list[HourCounts]:
    """One for each version and hour; rows of an hour may be counted in two places."""
    found: dict[tuple[str, datetime], HourCounts] = {}
    for one in counted:
        key = one.model_version, one.hour
        if key in found:
            other = found[key]
            counts = {f: [a + b for a, b in zip(c, other.counts[f], strict=True)] for f, c in one.counts.items()}
            one = replace(one, n_rows=one.n_rows + other.n_rows, counts=counts)
        found[key] = one
    return list(found.values())


def rows_of_version(
    log: sa.Table, model_name: str, model_version: str, start: datetime, end: datetime
) -> tuple[sa.ColumnElement[bool], ...]:
    """What a row of the log fulfils that a version answered in [start, end)."""
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
    """For each value of `key` among the rows: how many, and each feature's counts in the profile's order.

    Without a key all rows are one group, None; no rows are no group.
    """
    query = sa.select(sa.null() if key is None else key, sa.func.count().label("n_rows")).where(*conditions)
    if key is not None:
        query = query.group_by(key)
    groups: dict[Any, tuple[int, dict[str, list[int]]]] = {}
    for bins in _scans([f.bins for f in profile.with_score]):
        tallies = [sa.func.count().filter(_condition(_column(log, b), t)) for b in bins for t in bin_queries(b)]
        for value, n_rows, *found in source.execute(query.add_columns(*tallies)):
            if n_rows:
                groups.setdefault(value, (n_rows, {}))[1].update(_split(bins, n_rows, found))
    return groups


def _column(log: sa.Table, bins: FeatureBins) -> sa.ColumnElement[Any]:
    return log.c.probability if bins.feature == SCORE else log.c[bins.feature]


def _scans(bins: Sequence[FeatureBins]) -> Iterator[list[FeatureBins]]:
    scan: list[FeatureBins] = []
    width = 0
    for one in bins:
        n_tallies = len(bin_queries(one))
        if scan and width + n_tallies > _COUNTS_PER_SCAN:
            yield scan
            scan, width = [], 0
        scan.append(one)
        width += n_tallies
    yield scan


def _condition(column: sa.ColumnElement[Any], query: BinQuery) -> sa.ColumnElement[bool]:
    match query.test:
        case Predicate.NULL:
            return missing_float(column) if isinstance(column.type, sa.Float) else column.is_(None)
        case Predicate.NOT_A_NUMBER:
            return sa.false()  # the log's columns are typed
        case Predicate.BELOW:
            return column < sa.literal(query.operand, sa.Float(53))
        case Predicate.AT_MOST:
            return column <= sa.literal(query.operand, sa.Float(53))
        case Predicate.EQUALS:
            return column == query.operand
    assert_never(query.test)


def _split(bins: Sequence[FeatureBins], n_rows: int, found: Sequence[int]) -> dict[str, list[int]]:
    """The scan's numbers as counts in the order of each feature's bins."""
    counts: dict[str, list[int]] = {}
    position = 0
    for one in bins:
        end = position + len(bin_queries(one))
        counts[one.feature] = counts_of(one, n_rows, found[position:end])
        position = end
    return counts
