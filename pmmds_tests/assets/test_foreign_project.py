"""The example project adds the loop with its own keys, groups and schedules, and Dagster's commands run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from pmmds_core.config.settings import load_settings
from pmmds_core.deployment import Deployment

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/foreign_dagster_project"
MODULE = "shop_pipelines.definitions"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the example, which Dagster's commands may change."""
    folder = tmp_path / "project"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("state", "__pycache__"))
    (folder / "state/dagster").mkdir(parents=True)
    return folder


def dagster(project: Path, *arguments: str) -> str:
    """Run one of Dagster's commands in the project and return its output."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PMMDS_", "DAGSTER_"))}
    variables = {"DAGSTER_HOME": str(project / "state/dagster"), "PYTHONPATH": str(project / "src")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "dagster", *arguments],
        env={**inherited, **variables},
        cwd=project,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def definitions(project: Path, monkeypatch: pytest.MonkeyPatch) -> dg.Definitions:
    """The project's definitions, loaded as Dagster loads them."""
    monkeypatch.syspath_prepend(str(project / "src"))
    monkeypatch.delenv("PMMDS_HOME", raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop_pipelines"]:
        monkeypatch.delitem(sys.modules, name)
    loaded = dg.load_from_defs_folder(path_within_project=project)
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop_pipelines"]:
        monkeypatch.delitem(sys.modules, name)
    return loaded


def test_the_project_has_its_own_keys_group_and_upstream(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    parents = {
        key.to_user_string(): {p.to_user_string() for p in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    assert parents["returns/reference_data"] == {"warehouse/orders_export"}
    assert parents["returns/drift_report"] == {"returns/feature_histograms", "returns/reference_profile"}
    assert parents["training_data"] == set(), "the project's own asset with the name of one of ours"
    assert "returns/prediction_archive" not in parents
    ours = {key for key in parents if key.startswith("returns/")}
    assert ours == {
        key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).group_name == "returns"
    }
    assert {key.asset_key.to_user_string() for key in graph.asset_check_keys} <= ours


def test_the_project_has_its_own_job_schedule_and_sensor_names(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    assert {schedule.name: schedule.cron_schedule for schedule in repository.schedule_defs} == {
        "returns_monitor_schedule": "20 * * * *"
    }
    assert all(sensor.name.startswith("returns_") for sensor in repository.sensor_defs)
    job = definitions.resolve_job_def("returns_retrain_job")
    assert set(job.run_config["ops"]) == {"returns__training_data"} if job.run_config else False
    assert "returns_archive_job" not in {job.name for job in repository.get_all_jobs()}


@pytest.mark.process
def test_dagster_validates_the_project_and_runs_its_jobs(project: Path) -> None:
    assert "All code locations passed validation" in dagster(project, "definitions", "validate", "-m", MODULE)
    exported = 'key:"warehouse/orders" or key:"warehouse/orders_export"'
    dagster(project, "asset", "materialize", "-m", MODULE, "--select", exported)
    output = dagster(project, "job", "execute", "-m", MODULE, "-j", "returns_train_job")
    assert "RUN_SUCCESS" in output
    home = project / "state/pmmds"
    contract = project / "contract.yaml"
    deployment = Deployment(load_settings({"PMMDS_HOME": str(home), "PMMDS_CONTRACT": str(contract)}))
    assert deployment.production_version().version == "1"
    assert [d.promoted for d in deployment.decisions.recent()] == [True]
    assert deployment.registrations.of_version("1") is not None
    dagster(project, "job", "execute", "-m", MODULE, "-j", "returns_performance_job")
