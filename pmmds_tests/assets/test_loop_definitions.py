"""`build_defs` adapts keys, names, groups, schedules, parts and settings to another Dagster project."""

from __future__ import annotations

import importlib.metadata
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster.components.core.package_entry import discover_entry_point_package_objects

from pmmds_assets import PmmdsLoopComponent, build_defs
from pmmds_assets.definitions import defs as location
from pmmds_assets.jobs import monitor_request
from pmmds_assets.loop_definitions import Schedules
from pmmds_assets.parts import PARTS
from pmmds_core.errors import SettingError
from pmmds_tests.harness.dagster_platform import QUIET, DagsterPlatform, copy_of

ROOT = Path(__file__).parents[2]
PREFIX = "risk-team/churn"
NAME = "risk_team_churn"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings come from the arguments, or are the defaults in an empty home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PMMDS_HOME", raising=False)


def keys(definitions: dg.Definitions) -> set[str]:
    return {key.to_user_string() for key in definitions.resolve_asset_graph().get_all_asset_keys()}


def test_without_arguments_it_has_the_names_of_the_code_location() -> None:
    built, known = build_defs(), location.get_repository_def()
    repository = built.get_repository_def()
    assert keys(built) == keys(location)
    for kind in ("schedule_defs", "sensor_defs"):
        assert {x.name for x in getattr(repository, kind)} == {x.name for x in getattr(known, kind)}
    named = {job.name for job in known.get_all_jobs()}
    assert {job.name for job in repository.get_all_jobs()} == named


def test_a_prefix_is_in_every_key_and_name() -> None:
    definitions = build_defs(key_prefix=PREFIX)
    repository = definitions.get_repository_def()
    assert keys(definitions) == {f"{PREFIX}/{key}" for key in keys(location)}
    jobs = {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")}
    assert all(name.startswith(f"{NAME}_") for name in jobs)
    ops = {node.name for job in repository.get_all_jobs() for node in job.nodes}
    assert all(name.startswith("risk_team__churn__") for name in ops)
    assert {key.asset_key.path[0] for key in definitions.resolve_asset_graph().asset_check_keys} == {"risk-team"}


def test_the_project_keeps_its_own_executor_and_ours_is_on_the_jobs() -> None:
    project = dg.Definitions(executor=dg.multiprocess_executor)
    merged = dg.Definitions.merge(project, build_defs(key_prefix="churn"))
    assert merged.resolve_job_def("churn_train_job").executor_def.name == "in_process"
    assert merged.executor is dg.multiprocess_executor


@pytest.mark.parametrize(
    ("schedules", "crons"),
    [
        (True, {"monitor": "5 * * * *", "performance": "35 * * * *", "archive": "50 0 * * *"}),
        (False, {}),
        ({"monitoring": "*/30 * * * *", "archive": False}, {"monitor": "*/30 * * * *", "performance": "35 * * * *"}),
        (
            {"monitoring": "off", "performance": "on", "archive": "0 3 * * *"},
            {"performance": "35 * * * *", "archive": "0 3 * * *"},
        ),
    ],
)
def test_schedules_are_chosen_by_part(schedules: Schedules, crons: dict[str, str]) -> None:
    repository = build_defs(schedules=schedules).get_repository_def()
    found = {s.name.removesuffix("_schedule"): s.cron_schedule for s in repository.schedule_defs}
    assert found == crons


def test_parts_leave_out_assets_jobs_and_sensors() -> None:
    definitions = build_defs(parts=["monitoring"])
    repository = definitions.get_repository_def()
    assert keys(definitions) == {
        "feature_histograms",
        "drift_report",
        "prediction_logs",
        "ground_truth",
        "reference_profile",
    }
    assert {job.name for job in repository.get_all_jobs() if not job.name.startswith("__")} == {"monitor_job"}
    assert "drift_alert_sensor" not in {sensor.name for sensor in repository.sensor_defs}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"parts": []}, "parts is empty"),
        ({"parts": ["trainning"]}, "no part 'trainning'.*Did you mean training"),
        ({"parts": ["retraining"]}, "needs the part training"),
        ({"schedules": {"monitor": True}}, "no part 'monitor'"),
        (
            {"settings": {"drift_psi_treshold": 0.3}},
            "no setting 'drift_psi_treshold'.*Did you mean drift_psi_threshold",
        ),
        ({"settings": {"drift_psi_threshold": "high"}}, "PMMDS_DRIFT_PSI_THRESHOLD='high' is not valid"),
    ],
)
def test_a_wrong_argument_is_one_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError) as error:
        build_defs(**arguments)
    assert re.search(message, str(error.value), re.DOTALL)


def test_the_prefixed_loop_monitors_and_observes(trained_home: Path, tmp_path: Path) -> None:
    platform = copy_of(trained_home, tmp_path / "home")
    reference = platform.deployment.datasets.require("reference", "reference_data").read()
    platform.log_rows(reference.sample(300, random_state=1), "w")
    definitions = build_defs(key_prefix="churn", settings={"home": str(tmp_path / "home"), "shadow": True})
    result = definitions.resolve_job_def("churn_monitor_job").execute_in_process(
        instance=platform.instance,
        run_config=QUIET,
        tags=dict(monitor_request(platform.deployment, 1).tags),
    )
    made = {e.asset_key.to_user_string() for e in result.get_asset_materialization_events() if e.asset_key}
    assert made == {"churn/feature_histograms", "churn/drift_report"}
    assert {e.asset_key.path[0] for e in result.get_asset_check_evaluations()} == {"churn"}
    assert _observed(definitions, platform) == {"churn/prediction_logs", "churn/ground_truth"}


def _observed(definitions: dg.Definitions, platform: DagsterPlatform) -> set[str]:
    sensor = definitions.get_repository_def().get_sensor_def("churn_prediction_log_sensor")
    context = dg.build_sensor_context(instance=platform.instance, resources={"deployment": platform.resource})
    result: Any = sensor(context)
    return {event.asset_key.to_user_string() for event in result.asset_events}


def test_a_variable_wins_over_the_projects_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMMDS_DAGSTER_EXECUTOR", "multiprocess")
    job = build_defs(settings={"dagster_executor": "in_process"}).resolve_job_def("train_job")
    assert job.executor_def.name == "multiprocess"


def test_dagster_finds_the_component_by_the_entry_point() -> None:
    entry_points = importlib.metadata.entry_points(group="dagster_dg_cli.registry_modules")
    assert "pmmds_assets" in {entry.value for entry in entry_points}
    found = discover_entry_point_package_objects()
    assert PmmdsLoopComponent in found.values()


def test_importing_the_package_imports_no_dagster() -> None:
    code = "import sys, pmmds_assets; print(sorted({'dagster', 'pandas', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_pages_examples_are_the_project_and_load(tmp_path: Path) -> None:
    page = (ROOT / "docs/dagster-component.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"```(yaml|python)\n(.*?)```", page, re.DOTALL))
    written = (ROOT / "examples/foreign_dagster_project/src/shop_pipelines/defs/returns/defs.yaml").read_text("utf-8")
    assert blocks["yaml"].split("\n", 1)[1].strip() == written.strip()
    example = tmp_path / "example.py"
    example.write_text(blocks["python"], encoding="utf-8")
    names = runpy.run_path(str(example))
    assert "returns/drift_report" in keys(names["defs"])
    crons = {s.name: s.cron_schedule for s in names["defs"].get_repository_def().schedule_defs}
    assert crons["returns_archive_schedule"] == "0 3 * * *"


@pytest.mark.parametrize("name", sorted(PARTS))
def test_every_part_is_documented(name: str) -> None:
    page = (ROOT / "docs/dagster-component.md").read_text(encoding="utf-8")
    assert f"| `{name}` |" in page
