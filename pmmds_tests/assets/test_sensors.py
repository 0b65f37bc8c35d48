"""Each sensor requests the right runs, on a platform with real stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from pmmds_assets.jobs import retrain_job
from pmmds_assets.retraining import Trigger
from pmmds_assets.sensors import (
    alert_notification_sensor,
    book_failure,
    drift_alert_sensor,
    is_retraining_in_flight,
    observe,
    prediction_log_sensor,
    unfinished_promotion_sensor,
)
from pmmds_core.stores.database.tables import alert_notifications, drift_metrics, promotion_decisions
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_tests.harness.dagster_platform import DagsterPlatform, copy_of
from pmmds_tests.harness.http_listener import listening
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.prediction_records import make_records


@pytest.fixture
def platform(tmp_path: Path) -> DagsterPlatform:
    return DagsterPlatform.build(tmp_path)


def raise_alert(platform: DagsterPlatform) -> int:
    d, now = platform.deployment, datetime.now(UTC)
    names: dict[str, Any] = {"model_name": d.model_name, "model_version": "1"}
    tenure = {column.name: None for column in drift_metrics.c} | {
        "feature": "tenure",
        "kind": "numeric",
        "band": "major",
    }
    report_id = d.drift.save(
        {"n_reference": 100, "n_current": 100, "verdict": "drifted", "features": [tenure]},
        drifted_features=["tenure"],
        window_start=now - timedelta(hours=1),
        window_end=now,
        html_path="",
        run_id="",
        **names,
    )
    message = "4 of 19 features have a PSI over 0.2"
    return d.alerts.raise_or_extend(report_id=report_id, severity="warning", message=message, **names).alert_id


def records(platform: DagsterPlatform, n_rows: int, prefix: str) -> list[PredictionRecord]:
    return make_records(platform.deployment.contract, n_rows, prefix=prefix)


def test_no_run_is_requested_without_an_alert(platform: DagsterPlatform) -> None:
    assert isinstance(platform.tick(drift_alert_sensor), dg.SkipReason)


def test_an_alert_requests_its_first_attempt_with_its_tags(platform: DagsterPlatform) -> None:
    alert_id = raise_alert(platform)
    request = platform.tick(drift_alert_sensor)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == f"alert:{alert_id}:attempt:1"
    reason = "4 of 19 features have a PSI over 0.2"
    assert Trigger.of_tags(request.tags) == Trigger(True, "alert", alert_id, 1, f"alert:{alert_id}", reason)


def test_no_retraining_is_requested_while_one_is_queued_or_running(platform: DagsterPlatform) -> None:
    raise_alert(platform)
    run = platform.instance.create_run_for_job(platform.defs.resolve_job_def(retrain_job.name))
    assert is_retraining_in_flight(platform.instance)
    assert isinstance(platform.tick(drift_alert_sensor), dg.SkipReason)
    platform.instance.report_run_canceled(run)
    assert not is_retraining_in_flight(platform.instance)


def test_a_killed_run_counts_as_an_attempt_and_starts_the_cooldown(platform: DagsterPlatform) -> None:
    alert_id = raise_alert(platform)
    tags = Trigger(True, "alert", alert_id, 1).to_tags()
    run = platform.instance.create_run_for_job(platform.defs.resolve_job_def(retrain_job.name), tags=tags)
    platform.deployment.retrainings.claim(Trigger.of_tags(tags).of_run(run.run_id))
    book_failure(platform.deployment, run, "The process was killed.")
    booked = platform.deployment.retrainings.of_run(run.run_id)
    assert booked is not None
    assert (booked.outcome, booked.reason) == ("failed", "The process was killed.")
    platform.instance.report_run_canceled(run)
    skipped = platform.tick(drift_alert_sensor)
    assert isinstance(skipped, dg.SkipReason)
    assert f"Attempt 1 of Alert {alert_id} ended as failed" in str(skipped.skip_message)


def test_a_run_killed_before_claiming_its_attempt_counts_as_an_attempt(platform: DagsterPlatform) -> None:
    alert_id = raise_alert(platform)
    tags = Trigger(True, "alert", alert_id, 1).to_tags()
    run = platform.instance.create_run_for_job(platform.defs.resolve_job_def(retrain_job.name), tags=tags)
    book_failure(platform.deployment, run, "The launcher failed.")
    (attempt,) = platform.deployment.retrainings.attempts_of(alert_id)
    assert (attempt.attempt, attempt.outcome) == (1, "failed")


def test_external_assets_are_observed_once_per_change(platform: DagsterPlatform) -> None:
    platform.deployment.prediction_log.append(records(platform, 5, "a"))
    first = platform.tick(prediction_log_sensor)
    assert isinstance(first, dg.SensorResult)
    rows = {o.asset_key.to_user_string(): o.metadata["dagster/row_count"].value for o in first.asset_events}
    assert rows == {"prediction_logs": 5, "ground_truth": 0}
    assert isinstance(platform.tick(prediction_log_sensor, cursor=first.cursor), dg.SkipReason)
    platform.deployment.prediction_log.append(records(platform, 5, "b"))
    assert isinstance(platform.tick(prediction_log_sensor, cursor=first.cursor), dg.SensorResult)


def test_the_data_version_of_the_log_changes_with_its_rows(platform: DagsterPlatform) -> None:
    before = {o.asset_key.to_user_string(): o.tags["dagster/data_version"] for o in observe(platform.deployment)}
    platform.deployment.prediction_log.append(records(platform, 1, "a"))
    after = {o.asset_key.to_user_string(): o.tags["dagster/data_version"] for o in observe(platform.deployment)}
    assert before["prediction_logs"] != after["prediction_logs"]
    assert before["ground_truth"] == after["ground_truth"]


def test_without_an_unfinished_promotion_the_sensor_skips(platform: DagsterPlatform) -> None:
    assert isinstance(platform.tick(unfinished_promotion_sensor), dg.SkipReason)


def test_trigger_tags_survive_a_round_trip() -> None:
    for trigger in (Trigger(True, "alert", 7, 2, "alert:7", "drift"), Trigger(True, "manual", None, 1)):
        assert Trigger.of_tags(trigger.to_tags()) == trigger
    assert not Trigger.of_tags({}).is_retraining


@pytest.mark.parametrize("minutes_ago", [2, -60], ids=["a minute old", "from before the clock was set back"])
def test_a_promotion_interrupted_by_a_crash_is_finished(trained_home: Path, tmp_path: Path, minutes_ago: int) -> None:
    platform = copy_of(trained_home, tmp_path)
    (decision,) = platform.deployment.decisions.recent()
    decided_at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    put_back = sa.update(promotion_decisions).values(state="moving", decided_at=decided_at)
    with platform.deployment.database.begin() as connection:
        connection.execute(put_back)
    request = platform.tick(unfinished_promotion_sensor)
    assert isinstance(request, dg.RunRequest)
    assert decision.decision_id in str(request.run_key)
    assert platform.run("reconcile_job").success
    assert platform.deployment.decisions.recent()[0].state == "recorded"
    assert isinstance(platform.tick(unfinished_promotion_sensor), dg.SkipReason)


def test_the_sensor_retries_failed_notifications(tmp_path: Path) -> None:
    port = free_port()
    platform = DagsterPlatform.build(tmp_path, PMMDS_ALERT_URLS=f"json://127.0.0.1:{port}/hook")
    raise_alert(platform)
    down = platform.tick(alert_notification_sensor)
    assert isinstance(down, dg.SkipReason)
    assert str(down.skip_message).startswith("Notifications: 0 sent, 1 to be retried")
    with platform.deployment.database.begin() as connection:
        connection.execute(sa.update(alert_notifications).values(due_at=datetime.now(UTC)))
    with listening(port) as target:
        up = platform.tick(alert_notification_sensor)
        assert str(up.skip_message) == "Notifications: 1 sent, 0 to be retried, 0 given up."
        assert [m["message"].split(" Alert")[0] for m in target.messages] == ["4 of 19 features have a PSI over 0.2"]
    assert str(platform.tick(alert_notification_sensor).skip_message) == "Notifications: nothing to send."
