"""Commands on a working home print the right output and set the right exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from dagster import AssetKey, DagsterInstance

from pmmds_cli.application import app
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.dagster_platform import DagsterPlatform


@pytest.mark.parametrize(
    "name", ["config", "db status", "decisions", "alerts list", "performance", "data info", "doctor"]
)
def test_json_option_prints_one_document(trained_home: Path, name: str) -> None:
    said = pmmds(trained_home, *name.split(), "--json")
    assert isinstance(said.document, list | dict), said.out


def commands(group: typer.core.TyperGroup, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            found += commands(command, (*prefix, name))
        else:
            found.append((*prefix, name))
    return found


@pytest.mark.parametrize("name", commands(typer.main.get_group(app)), ids=" ".join)
def test_every_help_text_has_an_example(name: tuple[str, ...]) -> None:
    from typer.testing import CliRunner

    said = CliRunner().invoke(app, [*name, "--help"])
    assert said.exit_code == 0
    assert f"pmmds {' '.join(name)}" in said.output.split("Example:")[1]


def test_decision_has_the_documented_fields(trained_home: Path) -> None:
    (decision,) = pmmds(trained_home, "decisions", "--json").document
    assert decision["challenger_version"] == "1"
    assert decision["champion_version"] is None
    assert decision["promoted"] is True
    assert decision["promotion_reason"]
    assert "primary_metric_improvement" in decision


@pytest.mark.slow
def test_fail_on_hold_exits_with_3_if_the_model_is_not_better(trained_home: Path) -> None:
    said = pmmds(trained_home, "train", "--fail-on-hold", "--json")
    assert said.code == 3
    assert said.document["promoted"] is False
    assert said.document["champion_version"] == "1"


@pytest.mark.slow
def test_fail_on_drift_exits_with_3_and_the_alert_can_be_resolved(trained_home: Path) -> None:
    platform = DagsterPlatform.build(trained_home)
    rows = traffic_rows(packaged_generator(), platform.deployment.contract, 600, "migration", seed=3).frame
    platform.log_rows(rows, "m", with_labels=False)
    said = pmmds(trained_home, "monitor", "--fail-on-drift", "--json")
    assert said.code == 3
    assert said.document["verdict"] == "drifted"
    assert {f["feature"] for f in said.document["features"]} >= {"tenure", "contract"}
    alert = said.document["alert_id"]
    (shown,) = pmmds(trained_home, "alerts", "list", "--json").document
    assert (shown["alert_id"], shown["status"]) == (alert, "open")
    blocked = pmmds(trained_home, "retrain", "--json")
    assert blocked.code == 0
    assert blocked.document["outcome"] == "blocked_no_labels"
    assert pmmds(trained_home, "alerts", "ack", str(alert), "--by", "ann", "--note", "known").code == 0
    (taken,) = pmmds(trained_home, "alerts", "list", "--json").document
    assert (taken["status"], taken["changed_by"], taken["note"]) == ("acknowledged", "ann", "known")
    assert pmmds(trained_home, "alerts", "resolve", str(alert), "--by", "bob", "--note", "fixed").code == 0
    assert pmmds(trained_home, "alerts", "list", "--json").document == []
    history = pmmds(trained_home, "alerts", "history", str(alert), "--json").document
    assert [(c["kind"], c["changed_by"]) for c in history["changes"]] == [
        ("opened", "monitoring"),
        ("acknowledged", "ann"),
        ("resolved", "bob"),
    ]
    assert "fixed" in pmmds(trained_home, "alerts", "history", str(alert)).out
    again = pmmds(trained_home, "alerts", "resolve", str(alert), "--by", "bob")
    assert again.code == 2
    assert "was resolved by bob" in again.err


@pytest.mark.slow
def test_an_acknowledged_alert_does_not_trigger_a_retraining(trained_home: Path) -> None:
    platform = DagsterPlatform.build(trained_home)
    rows = traffic_rows(packaged_generator(), platform.deployment.contract, 600, "migration", seed=3).frame
    platform.log_rows(rows, "m", with_labels=False)
    alert = pmmds(trained_home, "monitor", "--json").document["alert_id"]
    assert pmmds(trained_home, "alerts", "ack", str(alert), "--by", "ann").code == 0
    nothing = pmmds(trained_home, "retrain", "--json")
    assert nothing.document["retrained"] is False


def test_window_hours_set_the_window_of_the_report(trained_home: Path) -> None:
    said = pmmds(trained_home, "monitor", "--window-hours", "2", "--json")
    assert said.code == 0, said.err
    assert said.document["verdict"] == "insufficient_data"


@pytest.mark.slow
def test_rollback_records_person_and_reason_also_in_dagster(trained_home: Path) -> None:
    nothing = pmmds(trained_home, "rollback", "--by", "ann")
    assert (nothing.code, nothing.sentence.split(" Specify")[0]) == (
        2,
        "v1 has no predecessor with recorded files to roll back to.",
    )
    assert pmmds(trained_home, "train").code == 0
    nowhere = pmmds(trained_home, "rollback", "--to", "7")
    assert nowhere.code == 2
    assert "has no version '7' in the registry. Registered versions: v2, v1." in nowhere.sentence
    there = pmmds(trained_home, "rollback", "--to", "v1")
    assert (there.code, "v1 is already in production" in there.sentence) == (2, True)
    unrecorded = pmmds(trained_home, "rollback", "--to", "2", "--by", "ann")
    assert (unrecorded.code, "--unrecorded" in unrecorded.sentence) == (2, True)
    said = pmmds(trained_home, "rollback", "--to", "2", "--unrecorded", "--by", "ann", "--reason", "a trial")
    assert said.code == 0, said.err
    first = said.out.splitlines()[0]
    assert first.startswith("Rolled back from v1 to v2 by ann: a trial. v2 has no recorded promotion")
    back = pmmds(trained_home, "rollback", "--by", "ann", "--json").document
    assert (back["kind"], back["challenger_version"], back["state"], back["changed_by"]) == (
        "rollback",
        "1",
        "recorded",
        "ann",
    )
    assert Deployment(Settings(home=str(trained_home))).production_version().version == "1"
    with DagsterInstance.from_config(str(trained_home / "dagster")) as instance:
        event = instance.get_latest_materialization_event(AssetKey("production_model"))
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["decision"].value == back["decision_id"]


@pytest.mark.slow
def test_pending_promotion_can_be_approved_once(trained_home: Path) -> None:
    lenient = {"PMMDS_PROMOTION_APPROVAL": "manual", "PMMDS_PROMOTION_MIN_IMPROVEMENT": "-1"}
    said = pmmds(trained_home, "train", "--fail-on-hold", PMMDS_PROMOTION_MAX_LATENCY_RATIO="100", given=lenient)
    assert said.code == 3
    assert "In production: v1 (unchanged)" in said.out
    (waiting, _) = pmmds(trained_home, "decisions", "--json").document
    assert waiting["state"] == "pending_approval"
    assert f"pmmds approve {waiting['decision_id']} --by NAME" in said.out
    shown = pmmds(trained_home, "decisions").out
    assert f"{waiting['decision_id']} is pending." in shown
    assert f"pmmds approve {waiting['decision_id']} --by NAME" in shown
    assert "  improvement   " in shown, "the decision's criteria are listed"
    assert waiting["decision_id"] in pmmds(trained_home, "doctor").out.split("waiting for approval:")[1]
    approved = pmmds(trained_home, "approve", waiting["decision_id"], "--by", "ann")
    assert approved.code == 0, approved.err
    assert "In production: v2" in approved.out
    again = pmmds(trained_home, "reject", waiting["decision_id"], "--by", "bob")
    assert again.code == 2
    assert "is recorded. Only a pending_approval decision can be rejected" in again.sentence
    unknown = pmmds(trained_home, "approve", "nonsense", "--by", "ann")
    assert (unknown.code, "There is no decision 'nonsense'" in unknown.sentence) == (2, True)


def test_doctor_reports_working_and_failing_components(trained_home: Path) -> None:
    fine = pmmds(trained_home, "doctor")
    assert "v1" in fine.out
    assert "none open; no notification targets" in fine.out
    mistyped = pmmds(trained_home, "doctor", PMMDS_ALERT_URLS="json://127.0.0.1, nosuchservice://s3cr3t/key")
    assert "apprise cannot use URL 2 of PMMDS_ALERT_URLS (nosuchservice)" in mistyped.out
    assert "s3cr3t" not in mistyped.out + mistyped.err
    wrong = pmmds(trained_home, "doctor", PMMDS_DATABASE_URL="postgresql://127.0.0.1:9/rows")
    assert wrong.code == 1
    assert "Traceback" not in wrong.err
