"""Rows that are older than their retention period, deleted in one transaction a kind. Keep out: files and versions.

Nothing that is live is deleted: reports that an alert names, the newest report of a model, labels that have a row.
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

# A transaction deletes as many reports at most, so that others do not wait for it for long.
_REPORTS_AT_ONCE = 500


def old_reports(before: datetime) -> sa.Select[Any]:
    """Stored drift reports made before an instant that neither an alert nor a model's newest report keeps."""
    c = drift_reports.c
    newest = sa.select(sa.func.max(c.report_id)).group_by(c.model_name)
    named = sa.select(drift_alerts.c.report_id)
    return sa.select(c.report_id).where(c.created_at < before, c.report_id.not_in(newest), c.report_id.not_in(named))


def delete_reports(database: Database, before: datetime) -> int:
    """Drift reports and their metrics. Returns how many reports went."""
    n_deleted = 0
    while True:
        with database.begin() as connection:
            ids = list(connection.execute(old_reports(before).limit(_REPORTS_AT_ONCE)).scalars())
            if not ids:
                return n_deleted
            connection.execute(sa.delete(drift_metrics).where(drift_metrics.c.report_id.in_(ids)))
            n_deleted += connection.execute(sa.delete(drift_reports).where(drift_reports.c.report_id.in_(ids))).rowcount


def delete_histograms(database: Database, before: datetime) -> int:
    """Hourly counts of hours before an instant."""
    return _delete(database, feature_histograms, feature_histograms.c.hour < before)


def delete_waiting_labels(database: Database, before: datetime) -> int:
    """Labels that came before an instant and whose prediction has never been logged."""
    c = label_observations.c
    return _delete(database, label_observations, c.is_waiting & (c.received_at < before))


def delete_notifications(database: Database, before: datetime) -> int:
    """Notifications that were sent, or given up, and were due before an instant."""
    c = alert_notifications.c
    return _delete(database, alert_notifications, c.state.in_([SENT, GIVEN_UP]) & (c.due_at < before))


def count_rows(database: Database, before: datetime) -> dict[str, int]:
    """What each of the functions above would delete, by the kind's name."""
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
    """Paths of the pages of reports that live alerts name."""
    c = drift_reports.c
    query = sa.select(c.html_path).join(drift_alerts, drift_alerts.c.report_id == c.report_id)
    with database.connect() as connection:
        return set(connection.execute(query.where(drift_alerts.c.live_for.is_not(None))).scalars())


def _count(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.func.count()).where(condition)


def _delete(database: Database, table: sa.Table, condition: sa.ColumnElement[bool]) -> int:
    with database.begin() as connection:
        return connection.execute(sa.delete(table).where(condition)).rowcount


# Kind to the function that deletes it.
DELETE: dict[str, Callable[[Database, datetime], int]] = {
    "drift reports": delete_reports,
    "histograms": delete_histograms,
    "waiting labels": delete_waiting_labels,
    "notifications": delete_notifications,
}
