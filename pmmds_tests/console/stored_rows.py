"""Inserts drift reports for pagination tests, without training a model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import drift_metrics, drift_reports

START = datetime(2026, 3, 1, tzinfo=UTC)


def add_reports(database: Database, model_name: str, n_reports: int, *, first: int = 0, n_bytes: int = 0) -> None:
    """Insert hourly reports on the feature tenure, with PSI `i / 1000` and p-value `1 / (i + 1)`.

    Args:
        database: a migrated database.
        model_name: name of the model.
        n_reports: number of reports.
        first: the `i` of the first report.
        n_bytes: size of additional text in each document.
    """
    reports, metrics = [], []
    for i in range(first, first + n_reports):
        end = START + timedelta(hours=i)
        feature = {"feature": "tenure", "psi": i / 1000, "p_value": 1 / (i + 1), "label": "x" * n_bytes}
        reports.append(
            {
                "report_id": i + 1,
                "model_name": model_name,
                "model_version": str(1 + i % 2),
                "window_start": end - timedelta(days=1),
                "window_end": end,
                "n_reference": 1000,
                "n_current": 500,
                "verdict": "drifted" if i % 10 == 0 else "stable",
                "n_drifted_features": 0,
                "document": {"features": [feature]},
                "html_path": "",
                "run_id": "",
                "created_at": end,
            }
        )
        metrics.append(
            {
                "report_id": i + 1,
                "feature": "tenure",
                "kind": "numeric",
                "psi": i / 1000,
                "band": "none",
                "is_drifted": False,
            }
        )
    with database.begin() as connection:
        connection.execute(sa.insert(drift_reports), reports)
        connection.execute(sa.insert(drift_metrics), metrics)
