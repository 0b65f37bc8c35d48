"""Deletes rows past their retention period. Not here: files and model versions (workflows/retention.py).

Keeps reports that an alert refers to, the newest report of each model, and labels that have a logged row.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import (
    alert_notifications,
    drift_alerts,
    drift_metrics,
    drift_reports,
    feature_histograms,
    label_observations,
)
from pmmds_core.stores.lifecycle.outbox import GIVEN_UP, SENT

# Maximum number of reports per transaction, to limit how long other writers wait.
_REPORTS_AT_ONCE = 500


def old_reports(before: datetime) -> sa.Select[Any]:
    """Select drift reports created before a time, except a model's newest one and those that an alert refers to."""
    c = drift_reports.c
    newest = sa.select(sa.func.max(c.report_id)).group_by(c.model_name)
    named = sa.select(drift_alerts.c.report_id)
    return sa.select(c.report_id).where(c.created_at < before, c.report_id.not_in(newest), c.report_id.not_in(named))


def delete_reports(database: Database, before: datetime) -> int:
    """Delete old drift reports and their metrics, and return the number of reports."""
    n_deleted = 0
    while True:
        with database.begin() as connection:
            ids = list(connection.execute(old_reports(before).limit(_REPORTS_AT_ONCE)).scalars())
            if not ids:
                return n_deleted
            connection.execute(sa.delete(drift_metrics).where(drift_metrics.c.report_id.in_(ids)))
            n_deleted += connection.execute(sa.delete(drift_reports).where(drift_reports.c.report_id.in_(ids))).rowcount


def delete_histograms(database: Database, before: datetime) -> int:
    """Delete the hourly histograms from before a given time."""
    return _delete(database, feature_histograms, feature_histograms.c.hour < before)


def delete_waiting_labels(database: Database, before: datetime) -> int:
    """Delete labels that were received before a time and have no logged prediction yet."""
    c = label_observations.c
    return _delete(database, label_observations, c.is_waiting & (c.received_at < before))


def delete_notifications(database: Database, before: datetime) -> int:
    """Delete notifications that were due before a time and whose state is sent or given_up."""
    c = alert_notifications.c
    return _delete(database, alert_notifications, c.state.in_([SENT, GIVEN_UP]) & (c.due_at < before))


def count_rows(database: Database, before: datetime) -> dict[str, int]:
    """Count, by kind, the rows that the functions above would delete."""
    labels, sent = label_observations.c, alert_notifications.c
    queries: dict[str, sa.Select[Any]] = {
        "drift reports": sa.select(sa.func.count()).select_from(old_reports(before).subquery()),
        "histograms": _count(feature_histograms.c.hour < before),
        "waiting labels": _count(labels.is_waiting & (labels.received_at < before)),
        "notifications": _count(sent.state.in_([SENT, GIVEN_UP]) & (sent.due_at < before)),
    }
    with database.connect() as connection:
        return {kind: connection.execute(query).scalar_one() for kind, query in queries.items()}


def report_pages(database: Database) -> set[str]:
    """Return the paths of the HTML reports that live alerts refer to."""
    c = drift_reports.c
    query = sa.select(c.html_path).join(drift_alerts, drift_alerts.c.report_id == c.report_id)
    with database.connect() as connection:
        return set(connection.execute(query.where(drift_alerts.c.live_for.is_not(None))).scalars())


def _count(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.func.count()).where(condition)


def _delete(database: Database, table: sa.Table, condition: sa.ColumnElement[bool]) -> int:
    with database.begin() as connection:
        return connection.execute(sa.delete(table).where(condition)).rowcount


# Kind → the function that deletes it.
DELETE: dict[str, Callable[[Database, datetime], int]] = {
    "drift reports": delete_reports,
    "histograms": delete_histograms,
    "waiting labels": delete_waiting_labels,
    "notifications": delete_notifications,
}
