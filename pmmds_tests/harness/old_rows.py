"""Inserts backdated rows for retention tests. Not here: assertions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
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


def insert(database: Database, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    with database.begin() as connection:
        connection.execute(sa.insert(table), rows)


def n_rows(database: Database, table: sa.Table) -> int:
    with database.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def values(database: Database, column: sa.Column[Any]) -> list[Any]:
    """Return the sorted values of a column in all rows."""
    with database.connect() as connection:
        return list(connection.execute(sa.select(column).order_by(column)).scalars())


def save_reports(
    database: Database, reports: dict[int, datetime], *, page: str = "", model: str = "m", n_bytes: int = 0
) -> None:
    """Insert reports with two metrics each.

    The mapping contains each report's id and creation time, and `page` is a path that contains `{id}`.
    """
    rows = [
        {
            "report_id": report_id,
            "model_name": model,
            "model_version": "1",
            "window_start": at - timedelta(hours=24),
            "window_end": at,
            "n_reference": 100,
            "n_current": 100,
            "verdict": "stable",
            "n_drifted_features": 0,
            "document": {"text": "x" * n_bytes},
            "html_path": page.format(id=report_id),
            "run_id": "",
            "created_at": at,
        }
        for report_id, at in reports.items()
    ]
    insert(database, drift_reports, rows)
    metrics = [
        {"report_id": report_id, "feature": name, "kind": "numeric", "psi": 0.1, "band": "stable", "is_drifted": False}
        for report_id in reports
        for name in ("tenure", "MonthlyCharges")
    ]
    insert(database, drift_metrics, metrics)


def save_alert(database: Database, report_id: int, at: datetime, *, is_live: bool) -> None:
    """Insert an alert that references a report."""
    row = {
        "model_name": "m",
        "model_version": "1",
        "report_id": report_id,
        "status": "open" if is_live else "resolved",
        "severity": "major",
        "drift_type": "feature_drift",
        "message": "drifted",
        "n_reports": 1,
        "opened_at": at,
        "last_seen_at": at,
        "live_for": "m" if is_live else None,
    }
    insert(database, drift_alerts, [row])


def save_histograms(database: Database, hours: Sequence[datetime], n_features: int = 2) -> None:
    rows = [
        {
            "model_name": "m",
            "model_version": "1",
            "hour": hour,
            "feature": f"feature_{i}",
            "profile_digest": "d" * 64,
            "counts": [1] * 12,
            "n_rows": 12,
            "computed_at": hour,
        }
        for hour in hours
        for i in range(n_features)
    ]
    insert(database, feature_histograms, rows)


def save_label(database: Database, request_id: str, at: datetime, *, is_waiting: bool) -> None:
    row = {
        "request_id": request_id,
        "observed_at": at,
        "label": 1,
        "received_at": at,
        "source": "feedback",
        "is_waiting": is_waiting,
    }
    insert(database, label_observations, [row])


def save_notification(database: Database, subject: str, at: datetime, state: str) -> None:
    row = {
        "subject": subject,
        "target": "target",
        "title": "title",
        "body": "body",
        "state": state,
        "attempts": 1,
        "created_at": at,
        "due_at": at,
    }
    insert(database, alert_notifications, [row])
