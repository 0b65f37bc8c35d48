"""Each process works with a login that has its role, and stops at startup with any other login."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pmmds_assets.sensors import alert_notification_sensor, drift_alert_sensor, observe
from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.grants import MONITOR, PROMOTER, SERVICE
from pmmds_tests.harness.dagster_platform import errors_of, failed_checks, metadata_of
from pmmds_tests.harness.prediction_records import make_records
from pmmds_tests.harness.role_logins import OWNER, Staff, hired
from pmmds_tests.harness.service_process import RunningService, running_service, service_environment, wait_until
from pmmds_tests.harness.service_requests import BATCH, FEEDBACK, all_logged, predicted, rows

pytestmark = [pytest.mark.slow, pytest.mark.process, pytest.mark.postgres, pytest.mark.xdist_group("roles")]

VARIABLES = {
    "PMMDS_ALERT_URLS": "json://127.0.0.1:1",
    "PMMDS_RETENTION_DAYS": "2",
    "PMMDS_RETRAIN_MIN_LABELS": "100",
    # Any second model may be promoted, because the test is about privileges.
    "PMMDS_PROMOTION_MIN_IMPROVEMENT": "-1",
    "PMMDS_PROMOTION_MAX_LATENCY_RATIO": "1000",
    "PMMDS_PROMOTION_APPROVAL": "manual",
    "PMMDS_SHADOW": "on",
    "PMMDS_TRAIN_CANDIDATES": "pmmds_tests.harness.role_logins:QUICK",
}


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staff]:
    """A deployment whose first model was trained and promoted by the promoter role."""
    with hired(tmp_path_factory.mktemp("staff") / "home", **VARIABLES) as staff:
        run(staff, PROMOTER, "train_job", PMMDS_PROMOTION_APPROVAL="automatic")
        yield staff


def run(
    staff: Staff, role: str, job: str, tags: dict[str, str] | None = None, **more: str
) -> dg.ExecuteInProcessResult:
    """Run a job that must succeed."""
    result = staff.platform(role, **more).run(job, tags=tags)
    assert result.success, errors_of(result)
    return result


def service_variables(staff: Staff, role: str) -> dict[str, str]:
    tracking_uri = staff.deployment(OWNER).registry.tracking_uri
    return service_environment(staff.home, tracking_uri, **staff.environment(role))


def shadowed_version(service: RunningService) -> Any:
    return service.client.get("/healthz").json()["parts"]["shadow"]["version"]


def test_each_role_can_do_its_work(staff: Staff, contract: Contract, tmp_path: Path) -> None:
    with running_service(service_variables(staff, SERVICE)) as service:
        ids = the_service_answers_and_learns(staff, service, contract)
        alert_id = the_monitor_finds_drift(staff)
        the_monitor_archives_a_day(staff, contract)
        decision_id = the_promoter_retrains(staff)
        the_monitor_looks_around(staff, ids[0], alert_id, tmp_path)
        the_service_shadows(staff, service, contract)
        the_promoter_moves_the_alias(staff, service, decision_id)
        healthz = service.client.get("/healthz").json()
        assert (healthz["status"], healthz["parts"]["spool"]["problem"]) == ("healthy", "")
        assert "shipping_failed" not in service.output
        assert "pmmds_promotions_total" in service.client.get("/metrics").text


def the_service_answers_and_learns(staff: Staff, service: RunningService, contract: Contract) -> list[str]:
    answers = service.client.post(BATCH, json={"instances": rows(contract, 300)}).json()["predictions"]
    ids = [a["request_id"] for a in answers]
    stores = staff.deployment(OWNER)
    wait_until(all_logged(stores, ids))
    labels = [{"request_id": r, "label": i % 2} for i, r in enumerate(ids)]
    answer = service.client.post(FEEDBACK, json={"items": labels})
    assert (answer.status_code, answer.json().get("accepted")) == (200, 300), answer.text
    return ids


def the_monitor_finds_drift(staff: Staff) -> int:
    platform = staff.platform(MONITOR)
    monitored = run(staff, MONITOR, "monitor_job", platform.window_tags())
    assert failed_checks(monitored) == {"features_are_stable"}
    assert [o.metadata["dagster/row_count"].value for o in observe(platform.deployment)] == [300, 300]
    report = metadata_of(monitored, "drift_report")
    for reported in (report["notifications"].value, platform.tick(alert_notification_sensor).skip_message):
        assert "not sent" not in reported
    assert staff.rows()["alert_notifications"] == 1
    alert_id: int = report["alert"].value
    return alert_id


def the_monitor_archives_a_day(staff: Staff, contract: Contract) -> None:
    over = make_records(contract, 40, start=datetime.now(UTC) - timedelta(days=9), prefix="old")
    staff.deployment(SERVICE).prediction_log.append(over)
    archived = metadata_of(run(staff, MONITOR, "archive_job"), "prediction_archive")
    assert archived["n_rows_archived_now"].value == 40
    assert staff.deployment(MONITOR).prediction_log.count() == 300


def the_monitor_looks_around(staff: Staff, request_id: str, alert_id: int, folder: Path) -> None:
    file = folder / "truth.csv"
    file.write_text(
        f"request_id,label,observed_at\n{request_id},1,{datetime.now(UTC).isoformat()}\nlater,0,2026-03-01\n"
    )
    for arguments, seen in (
        (("labels", "import", str(file)), "1 updated"),
        (("explain", request_id), "decision"),
        (("alerts", "list"), "open"),
        (("alerts", "ack", str(alert_id), "--by", "Ada"), "acknowledged"),
        (("decisions",), "v1"),
        (("doctor",), "300 predictions logged"),
    ):
        said = staff.command(MONITOR, *arguments)
        assert seen in said.out, (arguments, said)
        assert "denied permission to this user" not in said.out


def the_promoter_retrains(staff: Staff) -> str:
    request = staff.platform(PROMOTER).tick(drift_alert_sensor)
    assert isinstance(request, dg.RunRequest), request
    run(staff, PROMOTER, "retrain_job", dict(request.tags))
    newest = staff.deployment(PROMOTER).decisions.recent()[0]
    assert (newest.challenger_version, newest.state) == ("2", "pending_approval")
    return newest.decision_id


def the_service_shadows(staff: Staff, service: RunningService, contract: Contract) -> None:
    wait_until(lambda: shadowed_version(service) == "2")
    predicted(service.client, contract)
    wait_until(lambda: staff.deployment(MONITOR).shadow.totals().get("2", 0) >= 1)
    measured = run(staff, MONITOR, "performance_job")
    assert metadata_of(measured, "shadow_report")["challenger_version"].value == "2"


def the_promoter_moves_the_alias(staff: Staff, service: RunningService, decision_id: str) -> None:
    for arguments, version in ((("approve", decision_id, "--by", "Ada"), "2"), (("rollback", "--by", "Ada"), "1")):
        said = staff.command(PROMOTER, *arguments)
        assert said.code == 0, said.err
        assert f"In production: v{version}" in said.out
        wait_until(partial(service.serves, version))


# Rejected promotions and rollbacks are recorded as failed if the login may write audit events, as the monitor's may.
AUDITED = {(MONITOR, "rollback"): "roll back", (MONITOR, "approve"): "approve"}
NEEDS_PROMOTER = "Set PMMDS_DATABASE_URL to a login that is a member of pmmds_promoter. If it already is one"


@pytest.mark.parametrize(
    ("role", "arguments", "lacks", "advice"),
    [
        (MONITOR, ("rollback", "--by", "Ada"), "no INSERT on retraining_runs and 12 more privileges", NEEDS_PROMOTER),
        (MONITOR, ("approve", "1f0c33a8d2be", "--by", "Ada"), "no INSERT on retraining_runs", NEEDS_PROMOTER),
        (MONITOR, ("train",), "no INSERT on retraining_runs", NEEDS_PROMOTER),
        (MONITOR, ("retrain", "--force"), "no INSERT on retraining_runs", NEEDS_PROMOTER),
        (SERVICE, ("train",), "no INSERT on retraining_runs", NEEDS_PROMOTER),
        (SERVICE, ("rollback", "--by", "Ada"), "no INSERT on retraining_runs", NEEDS_PROMOTER),
        (
            SERVICE,
            ("monitor",),
            "no SELECT on prediction_logs_default",
            "is a member of pmmds_monitor. If it already is one",
        ),
        (
            SERVICE,
            ("alerts", "ack", "1", "--by", "Ada"),
            "no UPDATE on drift_alerts",
            "pmmds_monitor or pmmds_promoter",
        ),
        (SERVICE, ("db", "migrate"), "no SELECT on prediction_logs_default", "pmmds_monitor or pmmds_promoter"),
        (
            MONITOR,
            ("db", "roles", "--apply"),
            'role "pmmds_monitor"',
            "the login that owns the tables and may create roles",
        ),
    ],
)
def test_commands_of_another_role_are_rejected_at_startup(
    staff: Staff, role: str, arguments: tuple[str, ...], lacks: str, advice: str
) -> None:
    rows, before = staff.rows(), versions(staff)
    said = staff.command(role, *arguments)
    assert said.code == 1
    assert "denied permission to this user" in said.sentence
    assert lacks in said.sentence
    assert advice in said.sentence
    assert versions(staff) == before
    action = AUDITED.get((role, arguments[0]))
    assert staff.rows() == {**rows, "audit_events": rows["audit_events"] + (action is not None)}
    if action is not None:
        (event,) = staff.deployment(OWNER).audit.recent(1)
        assert (event.actor, event.action, event.outcome) == ("Ada", action, "failed")


def versions(staff: Staff) -> tuple[list[str], str]:
    """Return the registered versions and the production version."""
    deployment = staff.deployment(OWNER)
    return [
        v.version for v in deployment.registry.versions(deployment.model_name)
    ], deployment.production_version().version


@pytest.mark.parametrize(
    ("role", "job", "lacks"),
    [
        (MONITOR, "rollback_job", "no INSERT on retraining_runs"),
        (SERVICE, "monitor_job", "no SELECT on prediction_archives"),
        (SERVICE, "archive_job", "no SELECT on prediction_logs_default"),
        (SERVICE, "performance_job", "no SELECT on prediction_archives"),
    ],
)
def test_dagster_run_with_the_wrong_role_leaves_no_data(staff: Staff, role: str, job: str, lacks: str) -> None:
    before = staff.rows(), versions(staff)
    platform = staff.platform(role, PMMDS_PROMOTION_APPROVAL="automatic")
    tags = staff.platform(MONITOR).window_tags() if job == "monitor_job" else None
    result = platform.run(job, tags=tags)
    assert not result.success
    assert any("RightMissingError" in e and lacks in e for e in errors_of(result)), errors_of(result)
    assert (staff.rows(), versions(staff)) == before


def test_training_with_the_monitor_role_registers_no_model(staff: Staff) -> None:
    before, registered = staff.rows(), versions(staff)
    result = staff.platform(MONITOR).run("train_job")
    assert "no INSERT on retraining_runs" in errors_of(result)[0]
    added = {name: n - before[name] for name, n in staff.rows().items() if n != before[name]}
    assert added.keys() <= {"reference_datasets"}
    assert versions(staff) == registered


def test_rows_of_a_service_with_the_wrong_role_stay_in_the_spool(staff: Staff, contract: Contract) -> None:
    with running_service(service_variables(staff, MONITOR)) as service:
        answered = [predicted(service.client, contract) for _ in range(20)]
        wait_until(lambda: "no INSERT on prediction_logs" in spool_problem(service))
    assert staff.deployment(OWNER).prediction_log.find(answered) == {}
    with running_service(service_variables(staff, SERVICE)) as service:
        wait_until(all_logged(staff.deployment(OWNER), answered))
        assert spool_problem(service) == ""


def spool_problem(service: RunningService) -> str:
    return str(service.client.get("/healthz").json()["parts"]["spool"]["problem"])
