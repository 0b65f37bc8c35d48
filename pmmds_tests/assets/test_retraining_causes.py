"""Triggers other than alerts start retrainings, and one that always fails starts a limited number of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import sqlalchemy as sa

from pmmds_assets.jobs import retrain_job
from pmmds_assets.retraining import Trigger, claim_attempt
from pmmds_assets.sensors import alert_notification_sensor, book_failure, drift_alert_sensor
from pmmds_core.stores.database.tables import promotion_decisions, retraining_runs
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_core.training.mix import mix_text
from pmmds_core.workflows.daily_performance import refresh_days
from pmmds_core.workflows.lineage import find_prediction, trace
from pmmds_core.workflows.reproduction import reproduce
from pmmds_core.workflows.version_lookup import find_version
from pmmds_tests.assets.test_sensors import raise_alert
from pmmds_tests.harness.dagster_platform import DagsterPlatform, copy_of, errors_of, metadata_of
from pmmds_tests.harness.http_listener import listening
from pmmds_tests.harness.ports import free_port


def rows_of_kind(platform: DagsterPlatform, n_rows: int, scenario: str = "none", seed: int = 5) -> Any:
    return traffic_rows(packaged_generator(), platform.deployment.contract, n_rows, scenario, seed=seed).frame


def fail_the_run_of(platform: DagsterPlatform, request: dg.RunRequest) -> None:
    """Record a run that claimed its attempt and then failed, as the failure sensor does."""
    tags = dict(request.tags)
    run = platform.instance.create_run_for_job(platform.defs.resolve_job_def(retrain_job.name), tags=tags)
    claim_attempt(platform.deployment, Trigger.of_tags(tags), run.run_id)
    platform.instance.report_run_canceled(run)
    book_failure(platform.deployment, run, "The disk is full.")


def test_label_trigger_retrains_and_records_the_training_mix(trained_home: Path, tmp_path: Path) -> None:
    platform = copy_of(
        trained_home,
        tmp_path,
        PMMDS_RETRAIN_EVERY_LABELS="500",
        PMMDS_RETRAIN_ON_PERFORMANCE_DROP="off",
        PMMDS_TRAIN_PRODUCTION_MAX_ROWS="1200",
        PMMDS_TRAIN_REFERENCE_MAX_SHARE="0.4",
        PMMDS_TRAIN_REFERENCE_MIN_ROWS="500",
    )
    platform.log_rows(rows_of_kind(platform, 2500, "migration"), "m")
    request = platform.tick(drift_alert_sensor)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == "labels:v1:5:attempt:1"
    result = platform.run("retrain_job", tags=dict(request.tags))
    assert result.success, errors_of(result)

    deployment = platform.deployment
    run = deployment.retrainings.of_run(result.run_id)
    assert run is not None
    assert (run.trigger_type, run.cause, run.alert_id, run.outcome) == ("labels", "labels:v1:5", None, "promoted")
    assert run.cause_text.startswith("2,500 labels have arrived since v1 was trained")
    assert deployment.retrainings.totals() == {("labels", "promoted"): 1}, "the metric counts these runs"
    assert isinstance(platform.tick(drift_alert_sensor), dg.SkipReason), "v2 was trained on these labels"

    shown = metadata_of(result, "training_data")
    assert (shown["asked_for_by"].value, shown["reference_share"].value) == ("labels", pytest.approx(0.4, abs=0.001))
    dataset = deployment.datasets.of_run("training", result.run_id)
    assert dataset is not None
    mix = dataset.details["mix"]
    assert (mix["n_reference"], mix["n_production"]) == (800, 1200)
    assert mix["settings"] == {
        "max_age_days": 0.0,
        "max_production_rows": 1200,
        "max_reference_share": 0.4,
        "min_reference_rows": 500,
    }
    reasons = {x["reason"].partition("(")[2].partition(")")[0].partition("=")[0] for x in mix["left_out"]}
    assert {"PMMDS_TRAIN_PRODUCTION_MAX_ROWS", "PMMDS_TRAIN_REFERENCE_MAX_SHARE"} <= reasons

    version = deployment.registry.get_version(deployment.model_name, "2")
    assert version.tags["training_mix"] == mix_text(mix)
    assert reproduce(deployment, find_version(deployment, "2")).is_equal
    platform.log_rows(rows_of_kind(platform, 1, "none", seed=6), "later", with_labels=False)
    chain = trace(deployment, find_prediction(deployment, "later-0"))
    assert chain["retraining"]["trigger_type"] == "labels"
    assert mix_text(chain["training_data"]["details"]["mix"]) == mix_text(mix)


def test_no_model_is_trained_if_all_rows_are_too_old(trained_home: Path, tmp_path: Path) -> None:
    platform = copy_of(
        trained_home,
        tmp_path,
        PMMDS_RETRAIN_EVERY_LABELS="100",
        PMMDS_RETRAIN_ON_PERFORMANCE_DROP="off",
        PMMDS_TRAIN_PRODUCTION_MAX_AGE_DAYS="0.0000001",
    )
    platform.log_rows(rows_of_kind(platform, 300), "m")
    result = platform.run("retrain_job", tags=dict(platform.tick(drift_alert_sensor).tags))
    assert result.success, errors_of(result)
    run = platform.deployment.retrainings.of_run(result.run_id)
    assert run is not None
    assert run.outcome == "blocked_no_labels"
    assert "300 production rows are from before" in run.reason
    assert [d.challenger_version for d in platform.deployment.decisions.recent()] == ["1"]
    assert "200 labels are missing" in str(platform.tick(drift_alert_sensor).skip_message)


def with_labels(platform: DagsterPlatform, frame: Any, share_flipped: float) -> None:
    """Add labeled production rows, inverting a share of the labels."""
    random = np.random.default_rng(3)
    label = platform.deployment.contract.label.name
    flip = random.random(len(frame)) < share_flipped
    platform.log_rows(frame.assign(**{label: np.where(flip, 1 - frame[label], frame[label])}), "p")


@pytest.mark.parametrize(("share_flipped", "asks"), [(0.35, True), (0.0, False)], ids=["a drop", "as on the holdout"])
def test_only_a_significant_realized_drop_triggers_a_retraining(
    trained_home: Path, tmp_path: Path, share_flipped: float, asks: bool
) -> None:
    platform = copy_of(trained_home, tmp_path)
    with_labels(platform, rows_of_kind(platform, 1500), share_flipped)
    assert isinstance(platform.tick(drift_alert_sensor), dg.SkipReason), "no performance report exists yet"
    refresh_days(platform.deployment, 7)
    step = platform.tick(drift_alert_sensor)
    if not asks:
        assert str(step.skip_message) == "No retraining trigger is active."
        return
    assert step.run_key == "performance:v1:attempt:1"
    trigger = Trigger.of_tags(step.tags)
    assert (trigger.trigger_type, trigger.alert_id) == ("performance", None)
    assert trigger.cause_text.startswith("Realized roc_auc of v1 dropped to 0.")
    off = DagsterPlatform.build(tmp_path, PMMDS_RETRAIN_ON_PERFORMANCE_DROP="off")
    assert isinstance(off.tick(drift_alert_sensor), dg.SkipReason)


def test_the_schedule_trigger_fires_when_the_newest_model_is_old_enough(trained_home: Path, tmp_path: Path) -> None:
    platform = copy_of(trained_home, tmp_path, PMMDS_RETRAIN_EVERY_DAYS="7")
    assert isinstance(platform.tick(drift_alert_sensor), dg.SkipReason)
    (decision,) = platform.deployment.decisions.recent()
    with platform.deployment.database.begin() as connection:
        week_ago = decision.decided_at - timedelta(days=7)
        connection.execute(sa.update(promotion_decisions).values(decided_at=week_ago))
    assert platform.tick(drift_alert_sensor).run_key == f"schedule:{decision.decision_id}:attempt:1"


def test_an_alert_is_not_a_trigger_if_the_setting_is_off(tmp_path: Path) -> None:
    platform = DagsterPlatform.build(tmp_path, PMMDS_RETRAIN_ON_ALERT="off")
    raise_alert(platform)
    assert isinstance(platform.tick(drift_alert_sensor), dg.SkipReason)


def test_a_failing_trigger_stops_after_its_last_attempt(tmp_path: Path) -> None:
    port = free_port()
    url = f"json://127.0.0.1:{port}/hook"
    platform = DagsterPlatform.build(tmp_path, PMMDS_RETRAIN_COOLDOWN_MINUTES="0.000001", PMMDS_ALERT_URLS=url)
    alert_id = raise_alert(platform)
    keys = []
    for _ in range(50):
        step = platform.tick(drift_alert_sensor)
        if isinstance(step, dg.RunRequest):
            keys.append(step.run_key)
            fail_the_run_of(platform, step)
    assert keys == [f"alert:{alert_id}:attempt:{n}" for n in (1, 2, 3)]
    alert = platform.deployment.alerts.get(alert_id)
    assert alert.status == "open"
    assert alert.note == (
        "No new model after 3 retraining attempts (last outcome: failed: The disk is full). Manual action is needed."
    )
    assert [r.gave_up for r in platform.deployment.retrainings.recent()] == [True, False, False]
    with listening(port) as target:
        platform.tick(alert_notification_sensor)
        titles = [m["title"] for m in target.messages]
        assert titles[1:] == ["Retraining of churn-classifier v1 needs manual action"]
        assert "The disk is full" in target.messages[1]["message"]


def test_the_daily_cap_limits_the_runs_started_by_many_alerts(tmp_path: Path) -> None:
    platform = DagsterPlatform.build(tmp_path, PMMDS_RETRAIN_COOLDOWN_MINUTES="0.000001", PMMDS_RETRAIN_MAX_PER_DAY="4")
    n_started = 0
    for _ in range(6):
        alert_id = raise_alert(platform)
        for _ in range(3):
            step = platform.tick(drift_alert_sensor)
            if isinstance(step, dg.RunRequest):
                n_started += 1
                fail_the_run_of(platform, step)
        platform.deployment.alerts.resolve(alert_id, by="Ada")
    raise_alert(platform)
    assert n_started == 4
    assert "PMMDS_RETRAIN_MAX_PER_DAY" in str(platform.tick(drift_alert_sensor).skip_message)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with platform.deployment.database.begin() as connection:
        connection.execute(sa.update(retraining_runs).values(started_at=yesterday, finished_at=yesterday))
    assert isinstance(platform.tick(drift_alert_sensor), dg.RunRequest)


def test_setting_the_clock_back_keeps_cooldown_and_daily_cap(tmp_path: Path) -> None:
    platform = DagsterPlatform.build(tmp_path, PMMDS_RETRAIN_MAX_PER_DAY="1")
    raise_alert(platform)
    fail_the_run_of(platform, platform.tick(drift_alert_sensor))
    ahead = datetime.now(UTC) + timedelta(hours=1)  # this time was recorded before the clock was set back
    with platform.deployment.database.begin() as connection:
        connection.execute(sa.update(retraining_runs).values(started_at=ahead, finished_at=ahead))
    assert "the next may start at" in str(platform.tick(drift_alert_sensor).skip_message)
    no_pause = DagsterPlatform.build(tmp_path, PMMDS_RETRAIN_MAX_PER_DAY="1", PMMDS_RETRAIN_COOLDOWN_MINUTES="0.000001")
    assert isinstance(no_pause.tick(drift_alert_sensor), dg.SkipReason)
