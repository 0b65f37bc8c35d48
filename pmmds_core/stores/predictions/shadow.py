"""Stores shadow predictions of challengers: one row per request and version, even if scored again.

Add queries about them here. Not here: scoring (pmmds_serving.shadow.scorer), comparing
(pmmds_core.evaluation.shadow).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract, FeatureValue
from pmmds_core.evaluation.shadow import ShadowAgreement, ShadowedRows, agreement
from pmmds_core.policies.decision import PENDING_APPROVAL
from pmmds_core.stores.database.dialects import database_now, insert
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import ground_truth, prediction_logs, promotion_decisions, shadow_predictions

# With this many rows, shares are accurate to ±0.003; more rows would only take longer.
MAX_COMPARED = 100_000
_ROWS_PER_STATEMENT = 1_000
_ROWS_PER_DELETE = 5_000


@dataclass(frozen=True)
class LoggedRow:
    """A logged request that the challenger has not scored. `features` are in the contract's order."""

    request_id: str
    predicted_at: datetime
    ingested_at: datetime
    features: tuple[FeatureValue, ...]


@dataclass(frozen=True)
class ShadowScore:
    """The challenger's prediction for one request."""

    request_id: str
    predicted_at: datetime
    probability: float
    prediction: int


@dataclass(frozen=True)
class LogPosition:
    """A position in the log's order of ingestion."""

    ingested_at: datetime
    request_id: str = ""


class ShadowStore:
    """Writes and reads shadow_predictions of one contract."""

    def __init__(self, database: Database, contract: Contract) -> None:
        self._database = database
        self._model_name = contract.model_name
        self._log = prediction_logs(contract)
        self._features = tuple(self._log.c[name] for name in contract.feature_names)

    def now(self) -> datetime:
        """The database's clock, which orders the rows."""
        with self._database.connect() as connection:
            timestamp: datetime = connection.execute(sa.select(database_now())).scalar_one()
        return timestamp

    def waiting(self, version: str, after: LogPosition, limit: int) -> list[LoggedRow]:
        """Logged rows after a position that the version has neither served nor scored, in the order of ingestion."""
        log, own = self._log.c, shadow_predictions.c
        is_scored = sa.exists().where(own.model_version == version, own.request_id == log.request_id)
        query = (
            sa.select(log.request_id, log.predicted_at, log.ingested_at, *self._features)
            .where(
                sa.or_(
                    log.ingested_at > after.ingested_at,
                    sa.and_(log.ingested_at == after.ingested_at, log.request_id > after.request_id),
                ),
                # This condition is implied by the one above, but it can use the index.
                log.ingested_at >= after.ingested_at,
                log.model_name == self._model_name,
                log.model_version != version,
                ~is_scored,
            )
            .order_by(log.ingested_at, log.request_id)
            .limit(limit)
        )
        with self._database.connect() as connection:
            return [LoggedRow(r[0], r[1], r[2], tuple(r[3:])) for r in connection.execute(query)]

    def add(self, version: str, scores: Iterable[ShadowScore]) -> None:
        """Store scores, all or nothing; a request that the version has scored keeps its first score."""
        # All writers use the same order, so that two services with the same database cannot deadlock.
        rows = [
            {"model_version": version, "model_name": self._model_name, **vars(s)}
            for s in sorted(scores, key=lambda s: s.request_id)
        ]
        with self._database.begin() as connection:
            scored_at = connection.execute(sa.select(database_now())).scalar_one()
            statement = insert(connection, shadow_predictions).on_conflict_do_nothing()
            for start in range(0, len(rows), _ROWS_PER_STATEMENT):
                part = [{**row, "scored_at": scored_at} for row in rows[start : start + _ROWS_PER_STATEMENT]]
                connection.execute(statement, part)

    def delete_all_but(self, version: str) -> int:
        """Delete the rows of other versions, except versions pending approval, and return their number."""
        c, decisions = shadow_predictions.c, promotion_decisions.c
        waiting = sa.select(decisions.challenger_version).where(
            decisions.model_name == self._model_name, decisions.state == PENDING_APPROVAL
        )
        is_old = sa.and_(c.model_name == self._model_name, c.model_version != version, c.model_version.not_in(waiting))
        n_deleted = 0
        while True:  # delete in parts, because the service's writes wait for the same lock
            part = sa.select(c.model_version, c.request_id).where(is_old).limit(_ROWS_PER_DELETE)
            delete = sa.delete(shadow_predictions).where(sa.tuple_(c.model_version, c.request_id).in_(part))
            with self._database.begin() as connection:
                n_rows = connection.execute(delete).rowcount
            n_deleted += n_rows
            if n_rows < _ROWS_PER_DELETE:
                return n_deleted

    def totals(self) -> dict[str, int]:
        """Return the number of rows per version."""
        c = shadow_predictions.c
        query = sa.select(c.model_version, sa.func.count()).where(c.model_name == self._model_name)
        with self._database.connect() as connection:
            rows = connection.execute(query.group_by(c.model_version)).all()
        return {row[0]: row[1] for row in rows}

    def newest_version(self) -> str | None:
        """The version that scored the newest request; None if there are no rows."""
        c = shadow_predictions.c
        query = sa.select(c.model_version).where(c.model_name == self._model_name).group_by(c.model_version)
        with self._database.connect() as connection:
            newest_first = query.order_by(sa.func.max(c.predicted_at).desc(), sa.func.max(c.scored_at).desc())
            return connection.execute(newest_first.limit(1)).scalar_one_or_none()

    def agreement(self, version: str, limit: int = MAX_COMPARED) -> ShadowAgreement | None:
        """Compare the version's newest rows with the served predictions; None if there are no rows."""
        return agreement(version, self._compared(version, limit))

    def _compared(self, version: str, limit: int) -> ShadowedRows:
        own, log, truth = shadow_predictions.c, self._log.c, ground_truth.c
        newest = (
            sa.select(own.request_id, own.predicted_at, own.probability, own.prediction)
            .where(own.model_version == version, own.model_name == self._model_name)
            .order_by(own.predicted_at.desc())
            .limit(limit)
            .subquery()
        )
        query = (
            sa.select(
                log.predicted_at,
                log.model_version,
                log.probability,
                log.prediction,
                newest.c.probability,
                newest.c.prediction,
                sa.func.coalesce(truth.label, -1),
            )
            .select_from(newest)
            # Also join by timestamp, so that PostgreSQL reads only that day's partition.
            .join(
                self._log,
                sa.and_(log.request_id == newest.c.request_id, log.predicted_at == newest.c.predicted_at),
            )
            .outerjoin(ground_truth, truth.request_id == newest.c.request_id)
        )
        with self._database.connect() as connection:
            rows = connection.execute(query).all()
        columns: list[Any] = list(zip(*rows, strict=True)) or [()] * 7
        # numpy has no time zones; the timestamps are UTC.
        naive = [timestamp.replace(tzinfo=None) for timestamp in columns[0]]
        return ShadowedRows(
            np.array(naive, dtype="datetime64[us]"),
            np.array(columns[1], dtype=object),
            np.array(columns[2], dtype=np.float64),
            np.array(columns[3], dtype=np.int64),
            np.array(columns[4], dtype=np.float64),
            np.array(columns[5], dtype=np.int64),
            np.array(columns[6], dtype=np.int64),
        )
