"""A home whose alert, decisions and days have long texts and names, for tests of tables."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.tables import (
    alert_changes,
    daily_performance,
    drift_alerts,
    promotion_decisions,
    registered_versions,
)
from pmmds_tests.harness.old_rows import insert, save_alert, save_reports

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG = "Drift of tenure, monthly_charges and payment_method: missing 0% → 100% of rows [PSI 7.3]. " * 4
NAME = "Ada-Maria von Zimmermann-Wolkenstein <ada.maria@operations.example.org>"
ALERT_ID, REPORT_ID, VERSION = 1, 7, "3"
DECISION_ID, PENDING_ID = "1f0c33a8d2be", "2f0c33a8d2be"


def long_text_deployment(home: Path) -> Deployment:
    """One acknowledged alert, a recorded and a pending decision, a report, a version and a day of performance."""
    deployment = Deployment(Settings(home=str(home)))
    database, model = deployment.database, deployment.model_name
    save_reports(database, {REPORT_ID: AT}, model=model)
    save_alert(database, REPORT_ID, AT, is_live=True)
    with database.begin() as connection:
        connection.execute(
            sa.update(drift_alerts).values(
                model_name=model, live_for=model, message=LONG, note=LONG, changed_by=NAME, status="acknowledged"
            )
        )
    change = {"alert_id": ALERT_ID, "kind": "acknowledged", "severity": "major", "changed_by": NAME, "note": LONG}
    insert(database, alert_changes, [{**change, "changed_at": AT}])
    insert(database, promotion_decisions, [_decision(model, DECISION_ID, "recorded")])
    insert(database, promotion_decisions, [_decision(model, PENDING_ID, "pending_approval")])
    version = {"model_name": model, "version": VERSION, "run_id": "r", "digest": "d", "training_digest": "t"}
    insert(database, registered_versions, [{**version, "holdout_digest": "h", "registered_at": AT}])
    insert(database, daily_performance, [_day(model)])
    return deployment


def _decision(model: str, decision_id: str, state: str) -> dict[str, object]:
    names = ("primary_metric_improvement", "latency_within_limit", "no_segment_is_significantly_worse")
    criteria = [
        {"name": n, "value": 0.0009612, "threshold": "≥ 0.001", "passed": False, "blocking": True, "verdict": "not met"}
        for n in names
    ]
    return {
        "decision_id": decision_id,
        "model_name": model,
        "kind": "promotion",
        "challenger_version": VERSION,
        "champion_version": "2",
        "promoted": True,
        "promotion_reason": LONG,
        "state": state,
        "document": {"criteria": criteria},
        "run_id": decision_id,
        "decided_at": AT,
        "changed_by": NAME,
    }


def _day(model: str) -> dict[str, object]:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    document = {
        "realized": None,
        "reason": "too few labels: 12 of 1,000 rows, at least 10 of each class are needed",
        "estimated": {"roc_auc": 0.8123, "is_valid": False, "reasons": [LONG]},
    }
    row = {"model_name": model, "model_version": VERSION, "day": today, "n_rows": 123_456, "n_labelled": 12}
    return {**row, "document": document, "computed_at": today}
