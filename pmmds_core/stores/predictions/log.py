"""The prediction log, with one row per prediction. A row is written once, even if delivered or requested repeatedly.

Add queries about logged predictions here. Not here: labels (labels.py), counts per bin
(stores/monitoring/histograms.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract, FeatureValue
from pmmds_core.profiling.bins import SCORE
from pmmds_core.runtime.time_windows import DAY, start_of_day
from pmmds_core.stores.database.bulk_insert import insert_new
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import prediction_logs
from pmmds_core.stores.predictions.archive import PredictionArchive, logged_rows
from pmmds_core.stores.predictions.request_ids import timestamp_of
from pmmds_core.stores.predictions.request_keys import claim, requests_named, row_digest, rows_of_ids

# A partitioned table's key contains the timestamp, which the prediction id determines.
_KEYS = {"postgresql": ("request_id", "predicted_at"), "sqlite": ("request_id",)}


class PredictionRecord(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A logged prediction.

    `predicted_at` has a time zone. `features` are in the contract's order, with None for missing values. `request_id`
    is the prediction id, which contains `predicted_at`. `client_request_id` is the client's id, if any.
    """

    request_id: str
    predicted_at: datetime
    model_name: str
    model_version: str
    prediction: int
    probability: float
    latency_ms: float
    features: tuple[FeatureValue, ...]
    client_request_id: str | None = None


@dataclass(frozen=True)
class Appended:
    """The result of one delivery.

    `n_new` is the number of rows written, and `n_redelivered` is the number of records that an earlier delivery logged.
    `n_same` and `n_other` are the numbers of duplicate client requests, which are not logged again and whose prediction
    equals the logged prediction or differs from it because a version was promoted in between. `other` is the first
    duplicate that differs, with its prediction id and version and those of the logged row. `taken` holds the records
    that are not logged because their id belongs to another prediction.
    """

    n_new: int = 0
    n_redelivered: int = 0
    n_same: int = 0
    n_other: int = 0
    taken: tuple[PredictionRecord, ...] = ()
    other: tuple[str, str, str, str] | None = None


@dataclass(frozen=True)
class LogSummary:
    """The totals of the log. `digest` serves as a data version and changes whenever rows are added."""

    n_rows: int
    newest_predicted_at: datetime | None
    newest_ingested_at: datetime | None
    versions: dict[str, int]
    digest: str


class PredictionLog:
    """The store of a contract's prediction_logs."""

    def __init__(self, database: Database, contract: Contract, archive: PredictionArchive | None = None) -> None:
        self._database = database
        self._archive = archive
        self._table = prediction_logs(contract)
        self._features = tuple(self._table.c[name] for name in contract.feature_names)
        self._names = contract.feature_names
        fixed = [name for name in PredictionRecord.__struct_fields__ if name != "features"]
        self._fixed = tuple(self._table.c[name] for name in fixed)
        self._columns = (*fixed, *contract.feature_names)

    def append(self, records: Iterable[PredictionRecord]) -> int:
        """Log the records that are not logged yet in one transaction, and return the number of new rows."""
        return self.add(records).n_new

    def add(self, records: Iterable[PredictionRecord]) -> Appended:
        """Log every record once, in one transaction.

        Records that are already logged and duplicate client requests (the same client id and row) are skipped. NaN is
        stored as NULL, because SQLite does not distinguish the two.
        """
        given = list(records)
        if not given:
            return Appended()
        key = _KEYS[self._database.dialect]
        with self._database.begin() as connection:
            first, repeated = self._first_of_each(connection, given)
            rows = [_row(record) for record in first]
            n_new = insert_new(connection, self._table, self._columns, rows, key=key, written_at="ingested_at")
            others = self._answered_differently(connection, repeated)
            taken = () if n_new == len(rows) else self._taken(connection, first)
        n_left_out = len(first) - n_new - len(taken)
        n_same = len(repeated) - len(others)
        return Appended(n_new, n_left_out, n_same, len(others), taken, others[0] if others else None)

    def _first_of_each(
        self, connection: sa.Connection, records: Sequence[PredictionRecord]
    ) -> tuple[list[PredictionRecord], list[tuple[PredictionRecord, str]]]:
        """Return the records to log and the duplicate client requests, each with the id of the logged row."""
        keys = {
            r.request_id: (r.client_request_id, row_digest(self._names, r.features))
            for r in records
            if r.client_request_id is not None
        }
        if not keys:
            return list(records), []
        claims = {keys[r.request_id]: (r.request_id, r.predicted_at) for r in reversed(records) if r.request_id in keys}
        owners = claim(connection, claims)
        owner_of = {request_id: owners[key] for request_id, key in keys.items()}
        first = [r for r in records if owner_of.get(r.request_id, r.request_id) == r.request_id]
        return first, [(r, o) for r in records if (o := owner_of.get(r.request_id, r.request_id)) != r.request_id]

    def _answered_differently(
        self, connection: sa.Connection, repeated: Sequence[tuple[PredictionRecord, str]]
    ) -> list[tuple[str, str, str, str]]:
        """Return the duplicates whose prediction differs from the logged row's, in the form of `Appended.other`.

        An archived row counts as equal.
        """
        logged = self._records(connection, {owner for _, owner in repeated})
        return [
            (record.request_id, record.model_version, owner, logged[owner].model_version)
            for record, owner in repeated
            if owner in logged and _answer(record) != _answer(logged[owner])
        ]

    def _taken(self, connection: sa.Connection, records: Sequence[PredictionRecord]) -> tuple[PredictionRecord, ...]:
        """Return the records whose id belongs to a different logged row."""
        logged = self._records(connection, {record.request_id for record in records})
        return tuple(r for r in records if r.request_id in logged and _row(r) != _row(logged[r.request_id]))

    def _records(self, connection: sa.Connection, ids: Iterable[str]) -> dict[str, PredictionRecord]:
        """Map prediction ids to records."""
        columns = (*self._fixed, *self._features)
        return {row.request_id: _record(row) for row in rows_of_ids(connection, self._table, columns, sorted(ids))}

    def are_logged(self, request_ids: Iterable[str]) -> set[str]:
        """Return the subset of these ids that match a logged row.

        The archive is not read, because the service's login cannot access it.
        """
        with self._database.connect() as connection:
            return set(requests_named(connection, self._table, request_ids))

    def named(self, request_ids: Iterable[str]) -> dict[str, list[PredictionRecord]]:
        """Return the records in the database that each id refers to, oldest first. See `requests_named`.

        If a row with such an id is archived, the archived row replaces the database's row.
        """
        with self._database.snapshot() if self._archive is None else self._archive.snapshot() as connection:
            named = requests_named(connection, self._table, request_ids)
            records = self._records(connection, {i for ids in named.values() for i in ids})
            records |= self._archived_instead(connection, list(records.values()))
        return {name: [records[i] for i in ids if i in records] for name, ids in named.items()}

    def _archived_instead(
        self, connection: sa.Connection, records: Sequence[PredictionRecord]
    ) -> dict[str, PredictionRecord]:
        """Return the archived records, by prediction id, that have the same id as one of these records."""
        archived_records: dict[str, PredictionRecord] = {}
        if self._archive is None:
            return archived_records
        times = [(r.request_id, at) for r in records for at in (r.predicted_at, timestamp_of(r.request_id)) if at]
        for day in {start_of_day(at) for _, at in times}:
            archived = self._archive.rows(connection, day, day + DAY)
            ids = [i for i, at in times if day <= at < day + DAY]
            if archived is not None:
                query = self._select().where(self._table.c.request_id.in_(ids))
                archived_records |= {row.request_id: _record(row) for row in archived.execute(query)}
        return archived_records

    def find(self, request_ids: Iterable[str]) -> dict[str, PredictionRecord]:
        """Return the record for each id that refers to exactly one record."""
        return {name: records[0] for name, records in self.named(request_ids).items() if len(records) == 1}

    def ids_named(self, request_id: str) -> list[str]:
        """Return the prediction ids of the rows that an id refers to, in the database or else in the archive."""
        with self._database.connect() as connection:
            ids = requests_named(connection, self._table, [request_id]).get(request_id, [])
        return ids or [r.request_id for r in self.archived_named(request_id)]

    def archived_named(self, request_id: str) -> list[PredictionRecord]:
        """Return the archived records that an id refers to, oldest first."""
        if self._archive is None:
            return []
        with self._archive.snapshot() as connection:
            archived = self._archive.rows(connection)
        if archived is None:
            return []
        c = self._table.c
        query = self._select().where(sa.or_(c.request_id == request_id, c.client_request_id == request_id))
        records = [_record(row) for row in archived.execute(query.order_by(c.predicted_at, c.request_id))]
        return [r for r in records if r.request_id == request_id] or records

    def find_archived(self, request_ids: Sequence[str]) -> dict[str, PredictionRecord]:
        """Return the archived record for each id that refers to exactly one archived record."""
        named = {request_id: self.archived_named(request_id) for request_id in request_ids}
        return {name: records[0] for name, records in named.items() if len(records) == 1}

    def count(
        self,
        model_version: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        at_most: int | None = None,
    ) -> int:
        """Return the number of rows that a model version predicted in [start, end). None means no limit.

        The database stops counting at `at_most` rows, so that the time of the query is bounded.
        """
        table = self._table
        query = sa.select(sa.literal(1)).select_from(table)
        if model_version is not None:
            query = query.where(table.c.model_version == model_version)
        if start is not None:
            query = query.where(table.c.predicted_at >= start)
        if end is not None:
            query = query.where(table.c.predicted_at < end)
        if at_most is None:
            counted = query.with_only_columns(sa.func.count())
        else:
            counted = sa.select(sa.func.count()).select_from(query.limit(at_most).subquery())
        with self._database.connect() as connection:
            return connection.execute(counted).scalar_one()

    def recent(self, limit: int, since: datetime | None = None) -> list[PredictionRecord]:
        """Return the newest records predicted at or after `since`, newest first."""
        query = self._select().order_by(self._table.c.predicted_at.desc(), self._table.c.request_id).limit(limit)
        if since is not None:
            query = query.where(self._table.c.predicted_at >= since)
        with self._database.connect() as connection:
            return [_record(row) for row in connection.execute(query)]

    def newest_columns(
        self, model_name: str, model_version: str, start: datetime, end: datetime, limit: int
    ) -> dict[str, NDArray[Any]]:
        """Return the columns of the newest rows that a version predicted in [start, end), newest first.

        Each feature and `__score__` is an array of shape (n,), as in reference_profile.Columns. Numbers are float64
        with NaN, and text is an object array with None.
        """
        c = self._table.c
        at = (c.predicted_at, c.request_id)
        query = sa.select(*self._features, c.probability, *at).order_by(at[0].desc(), at[1]).limit(limit)
        query = query.where(
            c.model_name == model_name, c.model_version == model_version, c.predicted_at >= start, c.predicted_at < end
        )
        with logged_rows(self._database, self._archive, start, end) as logged:
            rows = sorted(logged.execute(query), key=lambda row: row.request_id)
        rows = sorted(rows, key=lambda row: row.predicted_at, reverse=True)[:limit]
        columns = list(zip(*rows, strict=True)) or [()] * (len(self._features) + 3)
        kinds = [object if isinstance(f.type, sa.Text) else np.float64 for f in self._features]
        named = zip((*(f.name for f in self._features), SCORE), columns[:-2], (*kinds, np.float64), strict=True)
        return {name: np.array(values, dtype=kind) for name, values, kind in named}

    def summary(self) -> LogSummary:
        """Compute the totals from indexes without reading rows."""
        c = self._table.c
        newest = [sa.select(sa.func.max(column)).scalar_subquery() for column in (c.predicted_at, c.ingested_at)]
        by_version = (
            sa.select(c.model_version, sa.func.count().label("n_rows"))
            .group_by(c.model_version)
            .order_by(c.model_version)
        )
        with self._database.snapshot() as connection:
            predicted_at, ingested_at = connection.execute(sa.select(*newest)).one()
            versions = {row.model_version: row.n_rows for row in connection.execute(by_version)}
        state = f"{sorted(versions.items())} {ingested_at}"
        digest = hashlib.sha256(state.encode()).hexdigest()
        return LogSummary(sum(versions.values()), predicted_at, ingested_at, versions, digest)

    def _select(self) -> sa.Select[Any]:
        return sa.select(*self._fixed, *self._features)


def _row(record: PredictionRecord) -> tuple[Any, ...]:
    *fixed, features, client_request_id = msgspec.structs.astuple(record)
    return (*fixed, client_request_id, *[None if value != value else value for value in features])


def _record(row: sa.Row[Any]) -> PredictionRecord:
    values: tuple[Any, ...] = tuple(row)
    request_id, predicted_at, name, version, prediction, probability, latency_ms, client_id, *features = values
    return PredictionRecord(
        request_id, predicted_at, name, version, prediction, probability, latency_ms, tuple(features), client_id
    )


def _answer(record: PredictionRecord) -> tuple[Any, ...]:
    return record.model_name, record.model_version, record.prediction, record.probability
