"""A snapshot of the loop's status for monitoring, with alerts, the production version and pending manual actions.

Only a few rows are read in one transaction, because metrics are scraped every few seconds. Not here: metric names
(serving), all-time totals (each store).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from pmmds_core.policies.decision import JUDGED, MOVING, PENDING_APPROVAL
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import (
    drift_alerts,
    drift_metrics,
    drift_reports,
    model_evaluations,
    promotion_decisions,
)
from pmmds_core.stores.lifecycle.outbox_status import ChannelStatus, read_outbox
from pmmds_core.stores.lifecycle.promotion_lock import read_pointer
from pmmds_core.stores.lifecycle.storage_usage import read_usage


@dataclass(frozen=True)
class LoopState:
    """The state of the loop. A field is None if there is no production model or no report yet.

    `live_alerts` maps (status, severity) to the number of open or acknowledged alerts. `trained_at` is the time of the
    production version's first evaluation, which is part of its training run. `psi` holds the newest report's PSI by
    feature. `outbox` holds the undelivered messages by channel.
    """

    live_alerts: Mapping[tuple[str, str], int]
    production_version: str | None
    promoted_at: datetime | None
    trained_at: datetime | None
    reported_at: datetime | None
    psi: Mapping[str, float]
    n_pending_approval: int
    n_unfinished: int
    storage_bytes: Mapping[str, int]
    outbox: Mapping[str, ChannelStatus]


def read_loop_state(database: Database, model_name: str) -> LoopState:
    """Read the status. Raise StoreError if the database cannot be read."""
    with database.connect() as connection:
        pointer = read_pointer(connection, model_name)
        report_id, reported_at = _newest_report(connection, model_name)
        waiting = _waiting_decisions(connection, model_name)
        return LoopState(
            live_alerts=_live_alerts(connection, model_name),
            production_version=pointer.version if pointer else None,
            promoted_at=pointer.moved_at if pointer else None,
            trained_at=_trained_at(connection, model_name, pointer.version) if pointer else None,
            reported_at=reported_at,
            psi=_psi(connection, report_id),
            n_pending_approval=waiting.get(PENDING_APPROVAL, 0),
            n_unfinished=waiting.get(JUDGED, 0) + waiting.get(MOVING, 0),
            storage_bytes=read_usage(connection),
            outbox=read_outbox(connection),
        )


def _live_alerts(connection: sa.Connection, model_name: str) -> dict[tuple[str, str], int]:
    c = drift_alerts.c
    query = sa.select(c.status, c.severity, sa.func.count().label("n")).where(c.live_for == model_name)
    return {(row.status, row.severity): row.n for row in connection.execute(query.group_by(c.status, c.severity))}


def _newest_report(connection: sa.Connection, model_name: str) -> tuple[int | None, datetime | None]:
    c = drift_reports.c
    query = sa.select(c.report_id, c.created_at).where(c.model_name == model_name)
    row = connection.execute(query.order_by(c.report_id.desc()).limit(1)).first()
    return (None, None) if row is None else (row.report_id, row.created_at)


def _psi(connection: sa.Connection, report_id: int | None) -> dict[str, float]:
    c = drift_metrics.c
    query = sa.select(c.feature, c.psi).where(c.report_id == report_id, c.psi.is_not(None))
    return {row.feature: row.psi for row in connection.execute(query)}


def _trained_at(connection: sa.Connection, model_name: str, version: str) -> datetime | None:
    c = model_evaluations.c
    query = sa.select(c.created_at).where(c.model_name == model_name, c.challenger_version == version)
    first: datetime | None = connection.execute(query.order_by(c.created_at).limit(1)).scalar_one_or_none()
    return first


def _waiting_decisions(connection: sa.Connection, model_name: str) -> dict[str, int]:
    c = promotion_decisions.c
    states = [PENDING_APPROVAL, JUDGED, MOVING]
    query = sa.select(c.state, sa.func.count().label("n")).where(c.model_name == model_name, c.state.in_(states))
    return {row.state: row.n for row in connection.execute(query.where(c.promoted).group_by(c.state))}
