"""Rows past their retention period are deleted, and rows still in use are kept, on both database engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import (
    drift_alerts,
    drift_metrics,
    drift_reports,
    feature_histograms,
    label_observations,
)
from pmmds_core.stores.lifecycle.expired_rows import DELETE, count_rows, report_pages
from pmmds_core.stores.lifecycle.storage_usage import read_usage, save_usage
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.stores.predictions.labels import GroundTruthStore

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def add_reports(database: Database, n_days: int, *, model: str = "m", per_day: int = 1) -> None:
    """Store drift reports for each of the last `n_days`, each with two metrics."""
    reports, metrics = [], []
    with database.begin() as connection:
        first = connection.execute(sa.select(sa.func.coalesce(sa.func.max(drift_reports.c.report_id), 0))).scalar_one()
        for i in range(n_days * per_day):
            at = NOW - (n_days * per_day - 1 - i) * DAY / per_day
            report_id = first + i + 1
            reports.append(
                {
                    "report_id": report_id,
                    "model_name": model,
                    "model_version": "1",
                    "window_start": at - DAY,
                    "window_end": at,
                    "n_reference": 100,
                    "n_current": 100,
                    "verdict": "stable",
                    "n_drifted_features": 0,
                    "document": {"features": []},
                    "html_path": f"/home/reports/drift-{report_id}.html",
                    "run_id": "",
                    "created_at": at,
                }
            )
            metrics += [
                {"report_id": report_id, "feature": f, "kind": "numeric", "band": "none", "is_drifted": False}
                for f in ("a", "b")
            ]
        connection.execute(sa.insert(drift_reports), reports)
        connection.execute(sa.insert(drift_metrics), metrics)


def add_alert(database: Database, report_id: int, *, live: bool) -> None:
    row = {
        "model_name": "m",
        "model_version": "1",
        "report_id": report_id,
        "status": "open" if live else "resolved",
        "severity": "major",
        "drift_type": "feature_drift",
        "message": "",
        "n_reports": 1,
        "opened_at": NOW,
        "last_seen_at": NOW,
        "live_for": "m" if live else None,
    }
    with database.begin() as connection:
        connection.execute(sa.insert(drift_alerts).values(row))


def ids(database: Database, column: sa.Column[int]) -> list[int]:
    with database.connect() as connection:
        return sorted(connection.execute(sa.select(column).distinct()).scalars())


def test_old_reports_are_deleted_except_the_newest_and_those_of_alerts(database: Database) -> None:
    add_reports(database, 10)
    add_reports(database, 1, model="other")
    add_alert(database, 2, live=False)
    add_alert(database, 3, live=True)
    before = NOW - 3 * DAY
    expected = count_rows(database, before)["drift reports"]
    assert DELETE["drift reports"](database, before) == expected == 4
    assert (
        ids(database, drift_reports.c.report_id) == ids(database, drift_metrics.c.report_id) == [2, 3, 7, 8, 9, 10, 11]
    )
    assert report_pages(database) == {"/home/reports/drift-3.html"}
    assert DELETE["drift reports"](database, NOW + 9 * DAY) == 3, "the newest report of each model is kept"


def test_old_histograms_are_deleted(database: Database) -> None:
    hours = [NOW - i * DAY for i in range(6)]
    rows = [
        {
            "model_name": "m",
            "model_version": "1",
            "hour": hour,
            "feature": "a",
            "profile_digest": "x",
            "counts": [1],
            "n_rows": 1,
            "computed_at": NOW,
        }
        for hour in hours
    ]
    with database.begin() as connection:
        connection.execute(sa.insert(feature_histograms), rows)
    assert count_rows(database, NOW - 3 * DAY)["histograms"] == 2
    assert DELETE["histograms"](database, NOW - 3 * DAY) == 2


def test_old_waiting_labels_are_deleted_and_matched_labels_are_kept(database: Database, contract: Contract) -> None:
    truth = GroundTruthStore(database, contract)
    truth.add([LabelItem("nobody", 1, NOW), LabelItem("nobody-else", 0, NOW)])
    assert DELETE["waiting labels"](database, NOW - DAY) == 0
    with database.begin() as connection:
        matched = label_observations.c.request_id == "nobody-else"
        connection.execute(sa.update(label_observations).where(matched).values(is_waiting=False))
    later = datetime.now(UTC) + DAY
    assert count_rows(database, later)["waiting labels"] == 1
    assert DELETE["waiting labels"](database, later) == 1
    assert (truth.n_waiting(), len(ids(database, label_observations.c.observation_id))) == (0, 1)


@pytest.mark.parametrize("kind", DELETE)
def test_an_empty_database_has_nothing_to_delete(kind: str, database: Database) -> None:
    assert DELETE[kind](database, NOW) == count_rows(database, NOW)[kind] == 0


def test_a_storage_measurement_replaces_the_previous_one(database: Database) -> None:
    save_usage(database, {"reports": 10, "gone": 1}, NOW)
    save_usage(database, {"reports": 20}, NOW)
    with database.connect() as connection:
        assert read_usage(connection) == {"reports": 20}
