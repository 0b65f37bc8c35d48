"""Each model has at most one live alert, even with concurrent reports; reports and metrics are stored."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.drift.comparison import compare
from pmmds_core.drift.policy import DriftRule, judge, report_document
from pmmds_core.errors import UsageError
from pmmds_core.profiling.reference_profile import ReferenceProfile, fit_profile
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import drift_reports
from pmmds_core.stores.lifecycle.alerts import Alert, AlertStore
from pmmds_core.stores.monitoring.drift_reports import DriftStore
from pmmds_core.workflows.alert_updates import resolve_alert
from pmmds_tests.harness.prediction_records import columns_of, make_records

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def profile(contract: Contract) -> ReferenceProfile:
    records = make_records(contract, 400, seed=1)
    return fit_profile(contract, columns_of(contract, records), np.array([r.probability for r in records]))


@pytest.fixture
def save(database: Database, profile: ReferenceProfile) -> Callable[[], int]:
    """Store a report in which every row is in the first bin of its feature."""
    moved = {f.bins.feature: np.array([400] + [0] * (f.bins.n_bins - 1), dtype=np.int64) for f in profile.with_score}
    features = compare(profile, moved, 400)
    verdict = judge(features, 10_000, 400, DriftRule(0.2, 3, 100))
    document = report_document(profile, features, 400, verdict)

    def saved() -> int:
        return DriftStore(database).save(
            document,
            drifted_features=verdict.drifted_features,
            model_name="m",
            model_version="1",
            window_start=NOW - timedelta(hours=24),
            window_end=NOW,
            html_path="drift.html",
            run_id="run-1",
        )

    return saved


def raise_one(database: Database, report_id: int, **changes: Any) -> Alert:
    values = {"model_name": "m", "model_version": "1", "severity": "major", "message": "moved", **changes}
    return AlertStore(database).raise_or_extend(report_id=report_id, **values)


def test_a_second_drifted_report_extends_the_open_alert(database: Database, save: Callable[[], int]) -> None:
    first = raise_one(database, save(), severity="moderate")
    second = raise_one(database, save(), severity="major", message="moved further", model_version="2")
    assert second.alert_id == first.alert_id
    assert (second.n_reports, second.severity, second.message) == (2, "major", "moved further")
    assert (second.model_version, second.opened_at) == ("1", first.opened_at)
    assert len(AlertStore(database).open_alerts()) == 1


def test_concurrent_reports_open_one_alert(
    database: Database, save: Callable[[], int], open_again: Callable[[], Database]
) -> None:
    reports = [save() for _ in range(8)]
    databases = [open_again() for _ in reports]
    with ThreadPoolExecutor(8) as pool:
        raised = list(pool.map(raise_one, databases, reports))
    assert len({alert.alert_id for alert in raised}) == 1
    (alert,) = AlertStore(database).recent()
    assert alert.n_reports == 8


def test_an_acknowledged_alert_includes_new_drifted_reports(database: Database, save: Callable[[], int]) -> None:
    store = AlertStore(database)
    raised = raise_one(database, save())
    taken = store.acknowledge(raised.alert_id, by="ann", note="a known campaign")
    assert (taken.status, taken.changed_by, taken.note) == ("acknowledged", "ann", "a known campaign")
    assert store.open_alerts() == []
    assert raise_one(database, save()).alert_id == raised.alert_id
    assert store.open_alerts() == []


def test_a_drifted_report_after_a_resolved_alert_opens_a_new_alert(database: Database, save: Callable[[], int]) -> None:
    store = AlertStore(database)
    first = raise_one(database, save())
    assert store.resolve(first.alert_id, by="retraining").status == "resolved"
    second = raise_one(database, save())
    assert second.alert_id != first.alert_id
    assert [a.alert_id for a in store.recent()] == [second.alert_id, first.alert_id]
    assert [a.alert_id for a in store.recent(1, with_resolved=False)] == [second.alert_id]
    assert store.event_totals() == {("feature_drift", "major"): 2}


def test_each_model_has_its_own_alert(database: Database, save: Callable[[], int]) -> None:
    raise_one(database, save())
    raise_one(database, save(), model_name="other")
    assert len(AlertStore(database).open_alerts()) == 2


def test_a_resolved_or_unknown_alert_cannot_be_changed(database: Database, save: Callable[[], int]) -> None:
    store = AlertStore(database)
    alert = raise_one(database, save())
    store.resolve(alert.alert_id, by="ann")
    with pytest.raises(UsageError, match=f"[Aa]lert {alert.alert_id}"):
        store.acknowledge(alert.alert_id, by="bob")
    with pytest.raises(UsageError, match="There is no alert 99"):
        store.resolve(99, by="bob")


def test_a_report_has_a_row_for_each_feature_and_the_score(
    database: Database, save: Callable[[], int], contract: Contract
) -> None:
    report_id = save()
    store = DriftStore(database)
    report = store.get(report_id)
    assert report is not None
    assert report.document["verdict"] == "drifted"
    assert store.of_run("run-1") is not None
    assert store.latest("m") == report
    assert store.latest("other") is None
    for name in (*contract.feature_names, "__score__"):
        (point,) = store.history(name, 10, "m")
        assert point.psi is not None
        assert point.psi >= 0


def test_the_history_of_a_feature_is_oldest_first_and_limited(database: Database, save: Callable[[], int]) -> None:
    ids = [save() for _ in range(4)]
    points = DriftStore(database).history("tenure", 3, "m")
    assert [p.report_id for p in points] == ids[1:]


def test_an_alert_in_a_rolled_back_transaction_is_not_stored(database: Database, save: Callable[[], int]) -> None:
    report_id = save()

    def interrupted() -> None:
        with database.begin() as connection:
            raise_one(database, report_id, connection=connection)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert AlertStore(database).recent() == []


def save_and_resolve(deployment: Deployment, alert: Alert, *verdicts: str, version: str = "1") -> str | None:
    """Store an hourly report per verdict, oldest first, and apply the resolution policy after each.

    Returns the last result.
    """
    said = None
    for i, verdict in enumerate(verdicts, start=1):
        end = NOW + timedelta(hours=i + 24 * alert.n_reports)
        row = {
            "model_name": deployment.model_name,
            "model_version": version,
            "window_start": end - timedelta(hours=24),
            "window_end": end,
            "n_reference": 1,
            "n_current": 1,
            "verdict": verdict,
            "n_drifted_features": 0,
            "document": {},
            "html_path": "",
            "run_id": "",
            "created_at": end,
        }
        with deployment.database.begin() as connection:
            connection.execute(sa.insert(drift_reports).values(row))
        said = resolve_alert(deployment)
    return said


@pytest.fixture
def deployment(database: Database, database_settings: Settings) -> Deployment:
    return Deployment(database_settings)


def test_three_stable_reports_resolve_the_alert(deployment: Deployment, save: Callable[[], int]) -> None:
    d = deployment
    alert = raise_one(d.database, save(), model_name=d.model_name)
    assert save_and_resolve(d, alert, "stable", "insufficient_data", "stable") is None
    assert d.alerts.live(d.model_name) == alert
    assert save_and_resolve(d, alert, "stable") is None, "a repeated window counts once"
    said = save_and_resolve(d, alert, "stable", "stable")
    assert said == f"Alert {alert.alert_id}: 3 reports in a row were stable."
    closed = d.alerts.get(alert.alert_id)
    assert (closed.status, closed.changed_by, closed.note) == (
        "resolved",
        "monitoring",
        "3 reports in a row were stable.",
    )
    assert resolve_alert(d) is None


def test_an_acknowledged_alert_is_resolved_when_drift_ends(deployment: Deployment, save: Callable[[], int]) -> None:
    d = deployment
    alert = raise_one(d.database, save(), model_name=d.model_name)
    d.alerts.acknowledge(alert.alert_id, by="ann")
    assert save_and_resolve(d, alert, "stable", "stable", "stable") is not None
    assert [c.kind for c in d.alerts.changes(alert.alert_id)] == ["opened", "acknowledged", "resolved"]


def test_reports_with_too_few_rows_never_resolve_an_alert(deployment: Deployment, save: Callable[[], int]) -> None:
    d = deployment
    alert = raise_one(d.database, save(), model_name=d.model_name)
    assert save_and_resolve(d, alert, *["insufficient_data"] * 5) is None
    assert d.alerts.live(d.model_name) is not None


def test_promoting_a_model_trained_on_the_drifted_data_resolves_the_alert(
    deployment: Deployment, save: Callable[[], int]
) -> None:
    d = deployment
    alert = raise_one(d.database, save(), model_name=d.model_name)
    assert save_and_resolve(d, alert, "insufficient_data", version="2") is None
    said = save_and_resolve(d, alert, "stable", version="2")
    assert said == f"Alert {alert.alert_id}: There is no drift from the reference of v2, which replaced v1."
