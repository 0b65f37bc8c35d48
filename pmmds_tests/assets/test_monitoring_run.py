"""monitor_job can be launched by the schedule, from the UI, and by a backfill."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from pmmds_assets.jobs import all_schedules, monitor_request, monitor_schedule
from pmmds_assets.partitions import RANGE_END, RANGE_START, hourly, key_of, range_tags
from pmmds_core.runtime.time_windows import hourly_window
from pmmds_core.stores.database.tables import feature_histograms, prediction_logs
from pmmds_core.stores.lifecycle.status import read_loop_state
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import apply_scenario, traffic_rows
from pmmds_tests.harness.dagster_platform import (
    DagsterPlatform,
    assets_made,
    copy_of,
    errors_of,
    failed_checks,
    metadata_of,
    resource_of,
)
from pmmds_tests.harness.http_listener import listening
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.prediction_records import make_records


@pytest.fixture(scope="module")
def watched(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> DagsterPlatform:
    """A platform with a model and 300 rows of traffic without drift; tests must not add rows."""
    platform = copy_of(trained_home, tmp_path_factory.mktemp("watched"))
    reference = platform.deployment.datasets.require("reference", "reference_data").read()
    platform.log_rows(reference.sample(300, random_state=1), "w")
    return platform


def test_traffic_without_drift_is_stable_and_raises_no_alert(watched: DagsterPlatform) -> None:
    result = watched.run("monitor_job", tags=watched.window_tags())
    assert result.success, errors_of(result)
    assert failed_checks(result) == set()
    metadata = metadata_of(result, "drift_report")
    assert metadata["verdict"].value == "stable"
    assert metadata["dagster/row_count"].value == 300
    names = {record.data["feature"] for record in metadata["features"].records}
    assert names > set(watched.deployment.contract.feature_names), "all features and the score"
    html = Path(metadata["report"].path).read_text(encoding="utf-8")
    assert html.startswith("<!doctype html>")
    assert "PSI by feature and hour" in html
    assert "Past reports" in html
    version = watched.deployment.production_version()
    assert metadata["mlflow"].value == f"run {version.run_id}, drift/latest.html"
    assert watched.deployment.alerts.open_alerts() == []


def test_the_run_request_starts_at_the_first_changed_hour(tmp_path: Path) -> None:
    platform = DagsterPlatform.build(tmp_path)
    d, now = platform.deployment, datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    present = "2026-03-02-09:00"
    assert dict(monitor_request(d, 24, now).tags) == {RANGE_START: present, RANGE_END: present}
    d.prediction_log.append(make_records(d.contract, 5, start=now - timedelta(hours=3)))
    assert dict(monitor_request(d, 24, now).tags) == {RANGE_START: "2026-03-02-06:00", RANGE_END: present}
    assert dict(monitor_request(d, 2, now).tags) == {RANGE_START: present, RANGE_END: present}, "not in the window"


def test_counted_hours_are_shown_as_materialized(watched: DagsterPlatform) -> None:
    hour = key_of(datetime.now(UTC))  # the run may end in the hour after it started
    assert watched.run("monitor_job", tags=watched.window_tags()).success
    assert hour in watched.instance.get_materialized_partitions(dg.AssetKey("feature_histograms"))


def test_one_hour_can_be_materialized_alone(watched: DagsterPlatform) -> None:
    key = key_of(datetime.now(UTC))
    result = watched.run("monitor_job", selection=["feature_histograms"], partition_key=key)
    assert result.success, errors_of(result)
    assert assets_made(result) == {"feature_histograms"}


def test_a_month_of_hours_needs_only_one_run(watched: DagsterPlatform) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    tags = dict(range_tags(start, start + timedelta(days=31)))
    result = watched.run("monitor_job", selection=["feature_histograms"], tags=tags)
    assert result.success, errors_of(result)
    made = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey("feature_histograms")]
    assert len(made) == 31 * 24


def test_the_report_can_be_materialized_without_partitions(watched: DagsterPlatform) -> None:
    result = watched.run("monitor_job", selection=["drift_report"])
    assert result.success, errors_of(result)
    assert assets_made(result) >= {"drift_report"}


def test_the_schedule_requests_every_hour_up_to_the_current_one(watched: DagsterPlatform) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    context = dg.build_schedule_context(scheduled_execution_time=at, resources={"deployment": watched.resource})
    request = monitor_schedule(context)
    assert isinstance(request, dg.RunRequest)
    assert request.tags[RANGE_END] == key_of(at)


@pytest.mark.parametrize("schedule", all_schedules, ids=lambda schedule: schedule.name)
def test_a_disabled_schedule_skips_with_a_reason(tmp_path: Path, schedule: dg.ScheduleDefinition) -> None:
    resource = resource_of({"PMMDS_HOME": str(tmp_path), "PMMDS_SCHEDULES": "off"})
    answer = schedule(dg.build_schedule_context(resources={"deployment": resource}))
    assert isinstance(answer, dg.SkipReason)
    assert "PMMDS_SCHEDULES=off" in str(answer.skip_message)


def test_the_current_hour_is_a_partition() -> None:
    assert key_of(datetime.now(UTC)) in hourly.get_partition_keys()


def test_the_alert_names_the_feature_that_the_selected_rule_detected(trained_home: Path, tmp_path: Path) -> None:
    """Histograms and rules turn logged rows into a report and an alert that names the change."""
    variables = {"PMMDS_DRIFT_ALERT_RULES": "calibrated", "PMMDS_DRIFT_SEGMENT_FEATURES": "internet_service"}
    platform = copy_of(trained_home, tmp_path, **variables)
    deployment = platform.deployment
    reference = deployment.datasets.require("reference", "reference_data").read()
    changed = apply_scenario(reference.sample(400, random_state=2), deployment.contract, "month_to_month", seed=3)
    platform.log_rows(changed, "m")
    result = platform.run("monitor_job", tags=platform.window_tags())
    assert result.success, errors_of(result)
    assert failed_checks(result) == {"features_are_stable"}
    (alert,) = deployment.alerts.open_alerts()
    reported = re.search(r"contract: Month-to-month (\d+)% → (\d+)% of rows", alert.message)
    assert reported is not None, alert.message
    before, after = (100 * float((frame["contract"] == "Month-to-month").mean()) for frame in (reference, changed))
    assert abs(int(reported[1]) - before) < 2, "the model's reference is part of the reference data"
    assert int(reported[2]) == round(after)


def test_the_stored_report_contains_all_rules_pairs_and_segments(trained_home: Path, tmp_path: Path) -> None:
    platform = copy_of(trained_home, tmp_path, PMMDS_DRIFT_SEGMENT_FEATURES="internet_service")
    deployment = platform.deployment
    reference = deployment.datasets.require("reference", "reference_data").read()
    changed = apply_scenario(reference.sample(400, random_state=2), deployment.contract, "month_to_month", seed=3)
    # Simulates a faulty upstream join, which gives two fifths of the customers another customer's tenure.
    changed.loc[changed.index[:160], "tenure"] = changed["tenure"].iloc[:160].sample(frac=1, random_state=1).to_numpy()
    platform.log_rows(changed, "m")
    assert platform.run("monitor_job", tags=platform.window_tags()).success
    report = deployment.drift.latest()
    assert report is not None
    document = report.document
    assert (document["verdict"], document["alert_rules"]) == ("stable", ["spec"]), "only one of three features drifted"
    verdicts = {r["rule"]: r["verdict"] for r in document["rules"]}
    assert list(verdicts) == ["spec", "calibrated", "joint", "sequential"]
    assert (verdicts["calibrated"], verdicts["joint"]) == ("drifted", "drifted")
    assert verdicts["sequential"] in ("insufficient_data", "drifted"), "one window is too little history"
    assert "tenure" in document["pairs"][0]["features"]
    q_values = {f["feature"]: f["q_value"] for f in document["features"]}
    assert q_values["tenure"] > 0.05 > q_values["contract"], "shuffling values does not change the counts"
    segments = {s["value"]: s for s in document["segments"]}
    assert segments["Fiber optic"]["worst_feature"] == "contract"
    assert sum(s["n_current"] for s in document["segments"]) == 400


def test_the_spec_rule_detects_a_billing_migration(watched: DagsterPlatform, tmp_path: Path) -> None:
    platform = copy_of(watched.deployment.settings.home_path, tmp_path)
    deployment = platform.deployment
    reference = deployment.datasets.require("reference", "reference_data").read().sample(1500, random_state=4)
    platform.log_rows(apply_scenario(reference, deployment.contract, "migration", seed=5), "migrated")
    result = platform.run("monitor_job", tags=platform.window_tags())
    assert result.success, errors_of(result)
    (alert,) = deployment.alerts.open_alerts()
    for words in ("payment_method: ", "paperless_billing: Yes ", "contract: ", "the rule requires 3"):
        assert words in alert.message
    assert "expected by chance 0.0" in alert.message


def test_dagster_reports_too_few_rows_as_insufficient_data(trained_home: Path, tmp_path: Path) -> None:
    platform = copy_of(trained_home, tmp_path)
    result = platform.run("monitor_job", tags=platform.window_tags())
    assert result.success, errors_of(result)
    assert failed_checks(result) == {"window_has_enough_rows", "features_are_stable"}, "no rows were compared"
    severities = {c.severity for c in result.get_asset_check_evaluations() if not c.passed}
    assert severities == {dg.AssetCheckSeverity.WARN}
    assert metadata_of(result, "drift_report")["verdict"].value == "insufficient_data"


def test_too_few_drifted_rows_show_no_drift_in_any_output(trained_home: Path, tmp_path: Path) -> None:
    platform = copy_of(trained_home, tmp_path)
    deployment = platform.deployment
    platform.log_rows(traffic_rows(packaged_generator(), deployment.contract, 40, "migration", seed=3).frame, "few")
    result = platform.run("monitor_job", tags=platform.window_tags())
    assert result.success, errors_of(result)
    metadata = metadata_of(result, "drift_report")
    assert metadata["dagster/row_count"].value == 40
    assert not {"n_drifted_features", "features", "chart"} & set(metadata)
    report = deployment.drift.latest()
    assert report is not None
    assert (report.verdict, report.n_drifted_features) == ("insufficient_data", 0)
    assert {(f["psi"], f["band"]) for f in report.document["features"]} == {(None, "undetermined")}
    assert read_loop_state(deployment.database, deployment.model_name).psi == {}, "the metrics show no PSI"
    assert not any(p.is_drifted for p in deployment.drift.history("contract", 5))
    body = Path(metadata["report"].path).read_text(encoding="utf-8").partition("</style>")[2]
    assert "<svg" not in body
    assert not re.search(r"\b(major|significant|moderate)\b", body)


def test_unreachable_target_fails_no_run_and_end_of_drift_resolves_alert(trained_home: Path, tmp_path: Path) -> None:
    port = free_port()
    urls = f"json://127.0.0.1:{port}/hook"
    platform = copy_of(trained_home, tmp_path, PMMDS_ALERT_URLS=urls, PMMDS_ALERT_STABLE_REPORTS="1")
    rows = traffic_rows(packaged_generator(), platform.deployment.contract, 600, "migration", seed=3).frame
    platform.log_rows(rows, "d", with_labels=False)
    drifted = platform.run("monitor_job", tags=platform.window_tags())
    assert drifted.success, errors_of(drifted)
    metadata = metadata_of(drifted, "drift_report")
    assert metadata["notifications"].value.startswith("0 sent, 1 to be retried")
    assert metadata["alert_resolved"].value == "none"
    (alert,) = platform.deployment.alerts.open_alerts()
    with platform.deployment.database.begin() as connection:  # the drifted rows are no longer in the window
        log = prediction_logs(platform.deployment.contract)
        connection.execute(sa.delete(log))
        connection.execute(sa.delete(feature_histograms))
    reference = platform.deployment.datasets.require("reference", "reference_data").read()
    platform.log_rows(reference.sample(400, random_state=2), "s", with_labels=False)
    with listening(port) as target:
        stable = platform.run("monitor_job", tags=platform.window_tags())
        assert stable.success, errors_of(stable)
        titles = [m["title"] for m in target.messages]
    metadata = metadata_of(stable, "drift_report")
    assert metadata["verdict"].value == "stable"
    assert metadata["alert_resolved"].value == f"Alert {alert.alert_id}: 1 report in a row was stable."
    assert "Drift resolved: churn-classifier v1" in titles
    assert platform.deployment.alerts.open_alerts() == []


def test_the_check_names_the_hours_with_uncounted_rows(trained_home: Path, tmp_path: Path) -> None:
    platform = copy_of(trained_home, tmp_path)
    deployment = platform.deployment
    reference = deployment.datasets.require("reference", "reference_data").read()
    platform.log_rows(reference.sample(20, random_state=1), "a", with_labels=False)
    with deployment.database.begin() as connection:  # the rows arrived an hour ago, some of a version without a profile
        log = prediction_logs(deployment.contract)
        connection.execute(sa.update(log).values(ingested_at=datetime.now(UTC) - timedelta(hours=1)))
        some = sa.select(log.c.request_id).limit(7).scalar_subquery()
        connection.execute(sa.update(log).where(log.c.request_id.in_(some)).values(model_version="999"))
    tags = range_tags(*hourly_window(datetime.now(UTC), 2))
    result = platform.run("monitor_job", selection=["feature_histograms"], tags=tags)
    checks = [e for e in result.get_asset_check_evaluations() if e.check_name == "every_row_is_counted"]
    (check,) = [c for c in checks if c.partition is None]
    assert not check.passed
    assert check.metadata["versions without a profile"].value == "999"
    failures = check.metadata["failures"]
    assert isinstance(failures, dg.TableMetadataValue)
    (hour,) = failures.records
    assert (hour.data["logged"], hour.data["counted"]) == (20, 13)
    in_hours = {c.partition: c for c in checks if c.partition}
    assert sorted(in_hours) == sorted(materialized_hours(result))
    assert len(in_hours) >= 3
    (incomplete,) = [c for c in in_hours.values() if not c.passed]
    assert {k: v.value for k, v in incomplete.metadata.items()} == dict(hour.data)
    assert stored_statuses(platform, set(in_hours)) == {
        hour: "FAILED" if hour == incomplete.partition else "SUCCEEDED" for hour in in_hours
    }


def materialized_hours(result: dg.ExecuteInProcessResult) -> list[str]:
    """Return the partitions that the run materialized."""
    events = result.get_asset_materialization_events()
    return [str(e.partition) for e in events if e.asset_key == dg.AssetKey("feature_histograms")]


def stored_statuses(platform: DagsterPlatform, hours: set[str]) -> dict[str, str]:
    """Return the status that Dagster stored for the check in each hour."""
    key = dg.AssetCheckKey(dg.AssetKey("feature_histograms"), "every_row_is_counted")
    records = platform.instance.event_log_storage.get_asset_check_execution_history(key, limit=500)
    return {str(r.partition): r.status.value for r in records if r.partition in hours}
