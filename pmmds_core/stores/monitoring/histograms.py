"""Hourly histograms: rows per model version, feature and bin, counted in the database and merged by addition.

Only hours whose rows changed are recounted. Not here: the counting expressions (bin_counts.py), comparison
(drift/comparison.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import DataError
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.runtime.time_windows import HOUR, start_of_hour
from pmmds_core.stores.database.dialects import LATE_COMMIT, database_now, hour_of, insert, lock_table
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import feature_histograms, histogram_watermarks, prediction_logs, stale_hours
from pmmds_core.stores.monitoring.bin_counts import HourCounts, count_bins, sum_by_hour
from pmmds_core.stores.predictions.archive import PredictionArchive
from pmmds_core.stores.predictions.logged_rows import LiveRows, Source

Profiles = Callable[[str], ReferenceProfile | None]


@dataclass(frozen=True)
class RefreshResult:
    """The result of a refresh. Rows of versions that have no profile are skipped."""

    hours: list[datetime]
    n_rows: int
    n_skipped_rows: int
    skipped_versions: tuple[str, ...]


@dataclass(frozen=True)
class MergedCounts:
    """The summed hourly histograms of a model version. `counts`: feature or `__score__` → (n_bins,)."""

    counts: dict[str, NDArray[np.int64]]
    n_rows: int
    n_hours: int


class HistogramStore:
    """Counts, stores and merges the histograms of one contract's prediction log."""

    def __init__(self, database: Database, contract: Contract, archive: PredictionArchive | None = None) -> None:
        self._database = database
        self._log = prediction_logs(contract)
        self._archive = archive

    def refresh(
        self, profiles: Profiles, model_name: str, start: datetime, end: datetime, only_changed: bool = True
    ) -> RefreshResult:
        """Count the hours that overlap [start, end) and whose rows changed since they were last counted.

        Rows are counted with the profile of their model version. Changed hours outside the window are recorded for a
        later refresh. Rows are read from one snapshot, then the hours are replaced in one transaction; concurrent
        refreshes are safe.

        Args:
            profiles: version → profile, None if it has none.
            model_name: name of the model.
            start: start of the window (aware).
            end: end of the window (aware, exclusive).
            only_changed: False recounts every hour in the window.
        """
        start, end = start_of_hour(start), _ceiling(end)
        with self._snapshot() as connection:
            seen_through = connection.execute(sa.select(database_now())).scalar_one()
            stale = self._stale(connection, model_name)
            due = {hour for hour in stale if start <= hour < end}
            due |= self._recounted(connection, profiles, model_name, start, end)
            hours = sorted(due) if only_changed else list(_hours(start, end))
            counted, skipped = self._count(connection, profiles, model_name, hours)
        with self._database.begin() as connection:
            lock_table(connection, histogram_watermarks)
            _replace(connection, model_name, hours, counted)
            _update_stale_hours(connection, model_name, stale - set(hours), hours, seen_through)
        n_skipped = sum(skipped.values())
        return RefreshResult(hours, sum(c.n_rows for c in counted), n_skipped, tuple(sorted(skipped)))

    def stale_hours(self, model_name: str, start: datetime, end: datetime) -> list[datetime]:
        """Hours overlapping [start, end) whose rows changed since they were counted."""
        with self._database.snapshot() as connection:
            stale = self._stale(connection, model_name)
        return sorted(hour for hour in stale if start_of_hour(start) <= hour < _ceiling(end))

    def merged(self, model_name: str, model_version: str, start: datetime, end: datetime) -> MergedCounts:
        """Sum a version's hourly histograms that overlap [start, end); empty if there are none.

        Raises:
            DataError: hours were counted with different profiles, so their bins do not match.
        """
        t = feature_histograms
        query = _within(sa.select(t.c.hour, t.c.feature, t.c.counts, t.c.n_rows, t.c.profile_digest), start, end)
        query = query.where(t.c.model_name == model_name, t.c.model_version == model_version)
        with self._database.connect() as connection:
            rows = connection.execute(query).all()
        if len({row.profile_digest for row in rows}) > 1:
            raise DataError(
                f"The histograms of {model_name} v{model_version} were counted with different reference profiles.",
                next_step="Rematerialize feature_histograms for these hours.",
            )
        return _merge(rows)

    def hourly_rows(self, model_name: str, start: datetime, end: datetime) -> list[tuple[datetime, int]]:
        """Rows counted in each hour overlapping [start, end), over all versions, oldest first."""
        with self._database.connect() as connection:
            totals: dict[datetime, int] = {}
            for hour, _version, n_rows, _digest in connection.execute(_heads(model_name, start, end)):
                totals[hour] = totals.get(hour, 0) + n_rows
        return sorted(totals.items())

    def digest(self, model_name: str, start: datetime, end: datetime) -> str:
        """Return a sha256 of the counts in the hours overlapping [start, end); equal histograms have equal digests."""
        t = feature_histograms
        columns = (t.c.hour, t.c.model_version, t.c.feature, t.c.profile_digest, t.c.counts)
        query = _within(sa.select(*columns), start, end).where(t.c.model_name == model_name).order_by(*columns[:3])
        whole = hashlib.sha256()
        with self._database.connect() as connection:
            for row in connection.execute(query):
                whole.update(repr(tuple(row)).encode())
        return whole.hexdigest()

    def _snapshot(self) -> AbstractContextManager[sa.Connection]:
        return self._database.snapshot() if self._archive is None else self._archive.snapshot()

    def _stale(self, connection: sa.Connection, model_name: str) -> set[datetime]:
        """Hours that changed after the watermark or were recorded by an earlier refresh."""
        marks = histogram_watermarks
        mark = sa.select(marks.c.ingested_through).where(marks.c.model_name == model_name)
        through = connection.execute(mark).scalar_one_or_none()
        changed = sa.select(hour_of(self._log.c.predicted_at)).where(self._log.c.model_name == model_name).distinct()
        if through is not None:
            changed = changed.where(self._log.c.ingested_at >= through - LATE_COMMIT)
        recorded = sa.select(stale_hours.c.hour).where(stale_hours.c.model_name == model_name)
        return {*connection.execute(changed).scalars(), *connection.execute(recorded).scalars()}

    def _recounted(
        self, connection: sa.Connection, profiles: Profiles, model_name: str, start: datetime, end: datetime
    ) -> set[datetime]:
        """Hours counted with a profile other than their version's current one, for example after a registry reset."""
        heads = connection.execute(_heads(model_name, start, end)).all()
        current = {version: profiles(version) for version in {row.model_version for row in heads}}
        return {
            row.hour
            for row in heads
            if (profile := current[row.model_version]) is not None and profile.digest != row.profile_digest
        }

    def _count(
        self, connection: sa.Connection, profiles: Profiles, model_name: str, hours: list[datetime]
    ) -> tuple[list[HourCounts], dict[str, int]]:
        """Count `hours`, with one scan per version and run of adjacent hours. Also returns skipped rows by version."""
        counted: list[HourCounts] = []
        skipped: dict[str, int] = {}
        for start, end in _runs(hours):
            for source in self._sources(connection, start, end):
                for version, n_rows in self._versions(source, model_name, start, end):
                    profile = profiles(version)
                    if profile is None:
                        skipped[version] = skipped.get(version, 0) + n_rows
                    else:
                        counted += count_bins(source, self._log, profile, model_name, version, start, end)
        return sum_by_hour(counted), skipped

    def _sources(self, connection: sa.Connection, start: datetime, end: datetime) -> Sequence[Source]:
        if self._archive is None:
            return (LiveRows(connection),)
        return self._archive.logged(connection, start, end).sources

    def _versions(self, source: Source, model_name: str, start: datetime, end: datetime) -> list[tuple[str, int]]:
        c = self._log.c
        query = sa.select(c.model_version, sa.func.count()).group_by(c.model_version).order_by(c.model_version)
        query = query.where(c.model_name == model_name, c.predicted_at >= start, c.predicted_at < end)
        return [(version, n_rows) for version, n_rows in source.execute(query)]


def _heads(model_name: str, start: datetime, end: datetime) -> sa.Select[Any]:
    """Select one row per version and hour."""
    t = feature_histograms
    query = sa.select(t.c.hour, t.c.model_version, t.c.n_rows, t.c.profile_digest).distinct()
    return _within(query, start, end).where(t.c.model_name == model_name)


def _within(query: sa.Select[Any], start: datetime, end: datetime) -> sa.Select[Any]:
    hour = feature_histograms.c.hour
    return query.where(hour >= start_of_hour(start), hour < _ceiling(end))


def _merge(rows: Iterable[sa.Row[Any]]) -> MergedCounts:
    counts: dict[str, NDArray[np.int64]] = {}
    n_rows_of: dict[datetime, int] = {}
    for row in rows:
        hourly = np.array(row.counts, dtype=np.int64)
        counts[row.feature] = counts[row.feature] + hourly if row.feature in counts else hourly
        n_rows_of[row.hour] = row.n_rows
    return MergedCounts(counts, sum(n_rows_of.values()), len(n_rows_of))


def _replace(connection: sa.Connection, model_name: str, hours: list[datetime], counted: list[HourCounts]) -> None:
    t = feature_histograms
    for start, end in _runs(hours):
        connection.execute(sa.delete(t).where(t.c.model_name == model_name, t.c.hour >= start, t.c.hour < end))
    now = datetime.now(UTC)
    rows = [{"model_name": model_name, "computed_at": now, **row} for c in counted for row in c.to_rows()]
    if rows:
        connection.execute(sa.insert(t), rows)


def _update_stale_hours(
    connection: sa.Connection, model_name: str, remaining: set[datetime], done: list[datetime], seen_through: datetime
) -> None:
    """Record changed hours that were not counted, delete counted ones, and move the watermark."""
    for start, end in _runs(done):
        t = stale_hours
        connection.execute(sa.delete(t).where(t.c.model_name == model_name, t.c.hour >= start, t.c.hour < end))
    if remaining:
        rows = [{"model_name": model_name, "hour": hour} for hour in sorted(remaining)]
        connection.execute(insert(connection, stale_hours).on_conflict_do_nothing(), rows)
    mark = insert(connection, histogram_watermarks).values(model_name=model_name, ingested_through=seen_through)
    through: Mapping[str, Any] = {"ingested_through": seen_through}
    connection.execute(mark.on_conflict_do_update(index_elements=["model_name"], set_=through))


def _runs(hours: list[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """Group ascending `hours` into runs of adjacent hours, each as [start, end)."""
    i = 0
    while i < len(hours):
        j = i
        while j + 1 < len(hours) and hours[j + 1] - hours[j] == HOUR:
            j += 1
        yield hours[i], hours[j] + HOUR
        i = j + 1


def _hours(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += HOUR


def _ceiling(timestamp: datetime) -> datetime:
    floor = start_of_hour(timestamp)
    return floor if floor == timestamp else floor + HOUR
