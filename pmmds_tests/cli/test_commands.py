"""What the commands print and how they end, on homes that are fine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from pmmds_cli.main import app
from pmmds_core.synthetic import packaged_generator
from pmmds_core.traffic import traffic_rows
from pmmds_tests.assets.house import House
from pmmds_tests.cli.command_line import environment_of, pmmds

HEAVY = {
    "altair",
    "apprise",
    "vl_convert",
    "pandas",
    "dagster",
    "mlflow",
    "sklearn",
    "great_expectations",
    "bentoml",
    "matplotlib",
    "scipy",
}
READING = [
    ["config"],
    ["db", "status"],
    ["decisions"],
    ["explain", "nobody"],
    ["alerts", "list"],
    ["performance"],
    ["status"],
    ["logs"],
]


def names_of(arguments: list[str]) -> str:
    return " ".join(arguments)


@pytest.mark.parametrize("arguments", READING, ids=names_of)
def test_commands_that_only_read_bring_no_heavy_library(tmp_path: Path, arguments: list[str]) -> None:
    code = (
        "import sys; from pmmds_cli.main import app\n"
        "try: app(sys.argv[1:], standalone_mode=False)\n"
        "except BaseException as e: print(repr(e), file=sys.stderr)\n"
        f"print('LOADED', *sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment_of(tmp_path / "home"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "LOADED", done.stdout + done.stderr


@pytest.mark.parametrize(
    "name", ["config", "db status", "decisions", "alerts list", "performance", "data info", "doctor"]
)
def test_json_is_one_document(trained_home: Path, name: str) -> None:
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
def test_every_command_has_help_with_an_example(name: tuple[str, ...]) -> None:
    from typer.testing import CliRunner

    said = CliRunner().invoke(app, [*name, "--help"])
    assert said.exit_code == 0
    assert f"pmmds {' '.join(name)}" in said.output.split("Example:")[1]


def test_the_decision_has_the_agreed_fields(trained_home: Path) -> None:
    (decision,) = pmmds(trained_home, "decisions", "--json").document
    assert decision["challenger_version"] == "1"
    assert decision["champion_version"] is None
    assert decision["promoted"] is True
    assert decision["promotion_reason"]
    assert "primary_metric_improvement" in decision


def test_a_model_that_is_not_better_is_held_with_exit_code_3_where_asked_for(trained_home: Path) -> None:
    said = pmmds(trained_home, "train", "--fail-on-hold", "--json")
    assert said.code == 3
    assert said.document["promoted"] is False
    assert said.document["champion_version"] == "1"


def test_drift_is_exit_code_3_where_asked_for_and_the_alert_can_be_taken_over(trained_home: Path) -> None:
    house = House.build(trained_home)
    rows = traffic_rows(packaged_generator(), house.deployment.contract, 600, "migration", seed=3).frame
    house.log_rows(rows, "m", with_labels=False)
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
    assert pmmds(trained_home, "alerts", "resolve", str(alert), "--by", "bob", "--note", "mended").code == 0
    assert pmmds(trained_home, "alerts", "list", "--json").document == []
    history = pmmds(trained_home, "alerts", "history", str(alert), "--json").document
    assert [(c["kind"], c["changed_by"]) for c in history["changes"]] == [
        ("opened", "monitoring"),
        ("acknowledged", "ann"),
        ("resolved", "bob"),
    ]
    assert "mended" in pmmds(trained_home, "alerts", "history", str(alert)).out
    again = pmmds(trained_home, "alerts", "resolve", str(alert), "--by", "bob")
    assert again.code == 2
    assert "was resolved by bob" in again.err


def test_an_alert_that_is_taken_over_starts_no_retraining(trained_home: Path) -> None:
    house = House.build(trained_home)
    rows = traffic_rows(packaged_generator(), house.deployment.contract, 600, "migration", seed=3).frame
    house.log_rows(rows, "m", with_labels=False)
    alert = pmmds(trained_home, "monitor", "--json").document["alert_id"]
    assert pmmds(trained_home, "alerts", "ack", str(alert), "--by", "ann").code == 0
    nothing = pmmds(trained_home, "retrain", "--json")
    assert nothing.document["retrained"] is False


def test_a_shorter_window_is_the_window_of_the_report(trained_home: Path) -> None:
    said = pmmds(trained_home, "monitor", "--window-hours", "2", "--json")
    assert said.code == 0, said.err
    assert said.document["verdict"] == "insufficient_data"


def test_doctor_says_what_is_right_and_what_is_not(trained_home: Path) -> None:
    fine = pmmds(trained_home, "doctor")
    assert "v1" in fine.out
    assert "none open; nobody is told" in fine.out
    mistyped = pmmds(trained_home, "doctor", PMMDS_ALERT_URLS="json://127.0.0.1, nosuchservice://s3cr3t/key")
    assert "apprise cannot use URL 2 of PMMDS_ALERT_URLS (nosuchservice)" in mistyped.out
    assert "s3cr3t" not in mistyped.out + mistyped.err
    wrong = pmmds(trained_home, "doctor", PMMDS_DATABASE_URL="postgresql://127.0.0.1:9/rows")
    assert wrong.code == 1
    assert "Traceback" not in wrong.err
