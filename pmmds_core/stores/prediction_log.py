"""The prediction log: one row per answered request, written once, however often it is delivered.

Add a question about logged predictions here. Keep out: labels (ground_truth.py), counts per bin (histograms.py).
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

from pmmds_core.binning import SCORE
from pmmds_core.contracts.contract import Contract, FeatureValue
from pmmds_core.stores.bulk_insert import insert_new
from pmmds_core.stores.database import Database
from pmmds_core.stores.prediction_archive import PredictionArchive
from pmmds_core.stores.request_keys import keep_first, rows_of_ids
from pmmds_core.stores.tables import prediction_logs

# In a partitioned table the key holds the time; `keep_first` sees to it that an id has one time only.
_PARTITIONED_KEY = ("request_id", "predicted_at")


class PredictionRecord(msgspec.Struct, frozen=True, gc=False):
    """One answered request. `predicted_at` is aware; `features` are in the contract's order, None for missing."""

    request_id: str
    predicted_at: datetime
    model_name: str
    model_version: str
    prediction: int
    probability: float
    latency_ms: float
    features: tuple[FeatureValue, ...]


@dataclass(frozen=True)
class LogSummary:
    """What the log holds, in a few numbers. `digest` differs whenever rows were added (a data version)."""

    n_rows: int
    newest_predicted_at: datetime | None
    newest_ingested_at: datetime | None
    versions: dict[str, int]
    digest: str


class PredictionLog:
    """Writes and reads prediction_logs of one contract."""

    def __init__(self, database: Database, contract: Contract, archive: PredictionArchive | None = None) -> None:
        self._database = database
        self._archive = archive
        self._table = prediction_logs(contract)
        self._features = tuple(self._table.c[name] for name in contract.feature_names)
        fixed = PredictionRecord.__struct_fields__[:-1]
        self._fixed = tuple(self._table.c[name] for name in fixed)
        self._columns = (*fixed, *contract.feature_names)

    def append(self, records: Iterable[PredictionRecord]) -> int:
        """Log what is not logged yet, all or nothing; a known request_id keeps its first row.

        NaN is stored as NULL, because SQLite cannot tell them apart.

        Returns:
            How many rows were new.
        """
        rows: list[Sequence[Any]] = [_row(record) for record in records]
        if not rows:
            return 0
        key: Sequence[str] = ("request_id",)
        with self._database.begin() as connection:
            if self._database.dialect == "postgresql":
                rows, key = keep_first(connection, self._table, rows), _PARTITIONED_KEY
            return insert_new(connection, self._table, self._columns, rows, key=key, written_at="ingested_at")

    def find(self, request_ids: Iterable[str]) -> dict[str, PredictionRecord]:
        """The records of those ids that are logged."""
        found: dict[str, PredictionRecord] = {}
        columns = (*self._fixed, *self._features)
        with self._database.connect() as connection:
            for row in rows_of_ids(connection, self._table, columns, list(request_ids)):
                record = _record(row)
                found[record.request_id] = record
        return found

    def find_archived(self, request_ids: Sequence[str]) -> dict[str, PredictionRecord]:
        """The records of those ids that have been archived."""
        if self._archive is None:
            return {}
        with self._archive.snapshot() as connection:
            archived = self._archive.rows(connection)
        query = self._select().where(self._table.c.request_id.in_(request_ids))
        return {r.request_id: r for r in map(_record, archived.execute(query))} if archived is not None else {}

    def count(
        self, model_version: str | None = None, start: datetime | None = None, end: datetime | None = None
    ) -> int:
        """Rows of a model version predicted in [start, end); None leaves a side open."""
        table = self._table
        query = sa.select(sa.func.count()).select_from(table)
        if model_version is not None:
            query = query.where(table.c.model_version == model_version)
        if start is not None:
            query = query.where(table.c.predicted_at >= start)
        if end is not None:
            query = query.where(table.c.predicted_at < end)
        with self._database.connect() as connection:
            return connection.execute(query).scalar_one()

    def recent(self, limit: int, since: datetime | None = None) -> list[PredictionRecord]:
        """The newest records first, none predicted before `since`."""
        query = self._select().order_by(self._table.c.predicted_at.desc(), self._table.c.request_id).limit(limit)
        if since is not None:
            query = query.where(self._table.c.predicted_at >= since)
        with self._database.connect() as connection:
            return [_record(row) for row in connection.execute(query)]

    def newest_columns(
        self, model_name: str, model_version: str, start: datetime, end: datetime, limit: int
    ) -> dict[str, NDArray[Any]]:
        """Columns of the newest rows that a version answered in [start, end), newest first, in one query.

        Feature, and `__score__`, to (n,): float64 with NaN for numbers, object with None for text, as
        reference_profile.Columns.
        """
        c = self._table.c
        at = (c.predicted_at, c.request_id)
        query = sa.select(*self._features, c.probability, *at).order_by(at[0].desc(), at[1]).limit(limit)
        query = query.where(
            c.model_name == model_name, c.model_version == model_version, c.predicted_at >= start, c.predicted_at < end
        )
        with self._database.snapshot() if self._archive is None else self._archive.snapshot() as connection:
            rows: list[Any] = list(connection.execute(query))
            archived = None if self._archive is None else self._archive.rows(connection, start, end)
        if archived is not None:
            rows = sorted([*rows, *archived.execute(query)], key=lambda row: row.request_id)
            rows = sorted(rows, key=lambda row: row.predicted_at, reverse=True)[:limit]
        columns = list(zip(*rows, strict=True)) or [()] * (len(self._features) + 3)
        kinds = [object if isinstance(f.type, sa.Text) else np.float64 for f in self._features]
        named = zip((*(f.name for f in self._features), SCORE), columns[:-2], (*kinds, np.float64), strict=True)
        return {name: np.array(values, dtype=kind) for name, values, kind in named}

    def summary(self) -> LogSummary:
        """Totals from the indexes alone; no row is read."""
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
        known = f"{sorted(versions.items())} {ingested_at}"
        digest = hashlib.sha256(known.encode()).hexdigest()
        return LogSummary(sum(versions.values()), predicted_at, ingested_at, versions, digest)

    def _select(self) -> sa.Select[Any]:
        return sa.select(*self._fixed, *self._features)


def _row(record: PredictionRecord) -> tuple[Any, ...]:
    *fixed, features = msgspec.structs.astuple(record)
    return (*fixed, *[None if value != value else value for value in features])


def _record(row: sa.Row[Any]) -> PredictionRecord:
    values: tuple[Any, ...] = tuple(row)
    request_id, predicted_at, name, version, prediction, probability, latency_ms, *features = values
    return PredictionRecord(
        request_id, predicted_at, name, version, prediction, probability, latency_ms, tuple(features)
    )
