"""The closed loop runs in one process on each database, from drift to a new model in production."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pmmds_assets.sensors import drift_alert_sensor
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_core.workflows.reproduction import reproduce
from pmmds_core.workflows.version_lookup import find_version
from pmmds_tests.harness.dagster_platform import (
    DagsterPlatform,
    assets_made,
    copy_of,
    errors_of,
    failed_checks,
    metadata_of,
)

Trained = tuple[DagsterPlatform, dg.ExecuteInProcessResult]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> DagsterPlatform:
    """A platform with its first model in production."""
    variables = {"PMMDS_RETRAIN_COOLDOWN_MINUTES": "0.001"}
    if request.param == "sqlite":
        return copy_of(request.getfixturevalue("trained_home"), tmp_path / "home", **variables)
    url = request.getfixturevalue("postgres_url")
    built = DagsterPlatform.build(tmp_path / "home", PMMDS_DATABASE_URL=url, **variables)
    result = built.run("train_job")
    assert result.success, errors_of(result)
    return built


def drifted_rows(platform: DagsterPlatform, n_rows: int) -> Any:
    return traffic_rows(packaged_generator(), platform.deployment.contract, n_rows, "migration", seed=5).frame


def test_drift_leads_to_a_promoted_model_and_the_alert_is_resolved(platform: DagsterPlatform) -> None:
    platform.log_rows(drifted_rows(platform, 2500), "m")
    monitored = platform.run("monitor_job", tags=platform.window_tags())
    assert monitored.success, errors_of(monitored)
    assert failed_checks(monitored) == {"features_are_stable"}
    alert_id = metadata_of(monitored, "drift_report")["alert"].value

    request = platform.tick(drift_alert_sensor)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == f"alert:{alert_id}:attempt:1"
    retrained = platform.run("retrain_job", tags=dict(request.tags))
    assert retrained.success, errors_of(retrained)

    assert platform.deployment.production_version().version == "2"
    newest = platform.deployment.decisions.recent()[0]
    assert (newest.challenger_version, newest.champion_version, newest.state) == ("2", "1", "recorded")
    assert newest.promoted
    evaluation = metadata_of(retrained, "training_data")
    assert evaluation["holdout_kind"].value == "production"
    assert platform.deployment.alerts.open_alerts() == []
    assert platform.deployment.alerts.get(alert_id).status == "resolved"
    assert isinstance(platform.tick(drift_alert_sensor), dg.SkipReason)
    run = platform.deployment.retrainings.of_run(retrained.run_id)
    assert run is not None
    assert (run.outcome, run.alert_id, run.attempt, run.challenger_version) == ("promoted", alert_id, 1, "2")

    judged = metadata_of(retrained, "model_evaluation")
    assert judged["changed_decisions_share"].value > 0, "the traffic of the last day was replayed"
    assert "Worst segment against the champion:" in judged["worst_segment"].value
    assert len(judged["segments"].records) > 10
    assert [c["name"] for c in newest.document["criteria"]][:4] == [
        "validation",
        "improvement",
        "latency",
        "significance",
    ]
    delays = metadata_of(retrained, "labelled_predictions")["label_delays"].records
    assert [r.data["n_labels"] for r in delays] == [2500, 2500]
    assert reproduce(platform.deployment, find_version(platform.deployment, "2")).is_equal, (
        "including production rows that it was trained on"
    )


def give_labels_of_one_class(platform: DagsterPlatform, attempt: int) -> None:
    """Send 200 negative labels. They are enough, but of one class, so no model can be evaluated."""
    now, begin = datetime.now(UTC), 200 * (attempt - 2)
    platform.deployment.ground_truth.add(LabelItem(f"m-{i}", 0, now) for i in range(begin, begin + 200))


def test_a_blocked_retraining_retries_on_new_labels_up_to_its_limit(
    platform: DagsterPlatform,
) -> None:
    platform.log_rows(drifted_rows(platform, 600), "m", with_labels=False)
    assert platform.run("monitor_job", tags=platform.window_tags()).success
    (alert,) = platform.deployment.alerts.open_alerts()
    for attempt in (1, 2, 3):
        if attempt > 1:
            skipped = str(platform.tick(drift_alert_sensor).skip_message)
            assert "labels are missing" in skipped, "without a new label there is no new attempt"
            give_labels_of_one_class(platform, attempt)
        request = platform.wait_for_request(drift_alert_sensor)
        assert request.run_key == f"alert:{alert.alert_id}:attempt:{attempt}"
        result = platform.run("retrain_job", tags=dict(request.tags))
        assert result.success, errors_of(result)
        assert "training_data" not in assets_made(result)
        assert "promotion_decision" not in assets_made(result)
        run = platform.deployment.retrainings.of_run(result.run_id)
        assert run is not None
        assert run.outcome == "blocked_no_labels"
        assert ("200" if attempt == 1 else "all of one class") in run.reason
    skipped = platform.tick(drift_alert_sensor)
    assert isinstance(skipped, dg.SkipReason)
    assert "needs manual action" in str(skipped.skip_message)
    (reported,) = [c for c in platform.deployment.alerts.changes(alert.alert_id) if c.kind == "gave_up"]
    assert reported.note is not None
    assert reported.note.startswith("No new model after 3 retraining attempts (last outcome: blocked_no_labels: ")
    assert platform.deployment.alerts.get(alert.alert_id).status == "open"
    assert platform.deployment.production_version().version == "1"


def test_the_same_attempt_never_runs_twice(platform: DagsterPlatform) -> None:
    platform.log_rows(drifted_rows(platform, 600), "m", with_labels=False)
    assert platform.run("monitor_job", tags=platform.window_tags()).success
    request = platform.wait_for_request(drift_alert_sensor)
    assert platform.run("retrain_job", tags=dict(request.tags)).success
    again = platform.run("retrain_job", tags=dict(request.tags))
    assert not again.success
    assert "Another run has already claimed attempt" in errors_of(again)[0]
    assert len(platform.deployment.retrainings.recent()) == 1


def test_a_forced_retraining_runs_without_new_labels(platform: DagsterPlatform) -> None:
    ops = {"training_data": {"config": {"block_without_labels": False}}}
    result = platform.run("retrain_job", ops=ops, tags={"pmmds/trigger": "manual", "pmmds/attempt": "1"})
    assert result.success, errors_of(result)
    newest = platform.deployment.decisions.recent()[0]
    assert newest.challenger_version == "2"
    assert metadata_of(result, "training_data")["holdout_kind"].value == "reference"
    assert not newest.promoted, "the same data gives the same model, which is no improvement"
    assert platform.deployment.production_version().version == "1"
