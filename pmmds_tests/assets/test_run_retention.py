"""Old Dagster runs are deleted with their events, check results and logs, except the newest of each asset."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pmmds_assets import run_retention
from pmmds_assets.assets.retention import retention
from pmmds_assets.results import Materialized
from pmmds_assets.run_retention import expire_runs
from pmmds_core.workflows.expired_files import n_bytes_of
from pmmds_tests.harness.dagster_platform import resource_of

LATER = datetime.now(UTC) + timedelta(days=31)
CHECK = dg.AssetCheckSpec("is_fine", asset="watched")


@dg.asset(check_specs=[CHECK])
def watched() -> Materialized:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.asset
def rare() -> None:
    sys.stdout.write("a line of the log\n")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def run(instance: dg.DagsterInstance, *assets: dg.AssetsDefinition) -> str:
    done = dg.materialize(list(assets), instance=instance)
    assert done.success
    return done.run_id


def files_of(home: Path, run_id: str) -> list[Path]:
    return [path for path in home.rglob("*") if run_id in str(path)]


def n_check_results(instance: dg.DagsterInstance) -> int:
    key = dg.AssetCheckKey(dg.AssetKey("watched"), "is_fine")
    return len(instance.event_log_storage.get_asset_check_execution_history(key, limit=100))


def rows_of(table: dg.MetadataValue[Any]) -> list[dict[str, Any]]:
    assert isinstance(table, dg.TableMetadataValue)
    return [dict(record.data) for record in table.records]


def test_old_runs_are_deleted_except_the_newest_of_each_asset(home: Path, instance: dg.DagsterInstance) -> None:
    first = run(instance, watched, rare)
    others = [run(instance, watched) for _ in range(4)]
    assert all(files_of(home, run_id) for run_id in (first, *others))
    assert n_check_results(instance) == 5
    assert expire_runs(instance, 30, datetime.now(UTC)).n_removed == 0, "no run is old enough to be deleted"
    size = n_bytes_of(home)

    done = expire_runs(instance, 30, LATER)
    assert (done.kind, done.days, done.n_removed) == ("Dagster runs", 30, 3)
    assert {r.run_id for r in instance.get_runs()} == {first, others[-1]}
    assert all(files_of(home, run_id) == [] for run_id in others[:-1])
    assert n_check_results(instance) == 2
    assert size - n_bytes_of(home) >= done.n_bytes > 0
    for asset in (watched, rare):
        assert instance.get_latest_materialization_event(asset.key) is not None
    assert expire_runs(instance, 30, LATER).n_removed == 0


def test_deletions_per_night_are_limited(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_retention, "MAX_RUNS", 2)
    for _ in range(4):
        run(instance, watched)
    assert [expire_runs(instance, 30, LATER).n_removed for _ in range(3)] == [2, 1, 0]


def test_an_interrupted_deletion_is_completed_the_next_night(
    home: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, newest = run(instance, watched), run(instance, watched)

    def killed(run_id: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(instance.run_storage, "delete_run", killed)
        with pytest.raises(KeyboardInterrupt):
            expire_runs(instance, 30, LATER)
    assert expire_runs(instance, 30, LATER).n_removed == 1
    assert [r.run_id for r in instance.get_runs()] == [newest]
    assert files_of(home, old) == []


def test_unfinished_runs_are_kept_and_0_days_keeps_all_runs(instance: dg.DagsterInstance) -> None:
    run(instance, watched)
    run(instance, watched)
    job = dg.Definitions(assets=[watched]).resolve_implicit_global_asset_job_def()
    started = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert expire_runs(instance, 0, LATER).n_removed == 0
    assert expire_runs(instance, 30, LATER).n_removed == 1
    assert instance.get_run_by_id(started.run_id) is not None


def test_the_asset_reports_the_removed_items_by_kind(tmp_path: Path) -> None:
    resource = resource_of({"PMMDS_HOME": str(tmp_path)})
    done = dg.materialize([retention], resources={"deployment": resource})
    (event,) = done.asset_materializations_for_node("retention")
    rows = rows_of(event.metadata["removed"])
    assert {row["kind"] for row in rows} >= {"drift reports", "report pages", "model versions", "Dagster runs"}
    assert {row["kind"]: row["period in days"] for row in rows}["histograms"] == 180
    assert event.metadata["n_removed"].value == 0
    sizes = {row["kind"]: row["bytes"] for row in rows_of(event.metadata["sizes"])}
    assert sizes["database"] > 0


def test_in_another_project_only_runs_of_the_loops_jobs_are_deleted(instance: dg.DagsterInstance) -> None:
    for job_name in ("returns_monitor_job", "returns_monitor_job", "orders_job"):
        instance.create_run_for_job(_empty_job(job_name), status=dg.DagsterRunStatus.SUCCESS)
    ours = ["returns_train_job", "returns_monitor_job"]
    assert expire_runs(instance, 30, LATER, ours).n_removed == 2
    assert [run.job_name for run in instance.get_runs()] == ["orders_job"]


def _empty_job(name: str) -> dg.JobDefinition:
    @dg.op
    def nothing() -> None: ...

    @dg.job(name=name)
    def empty() -> None:
        nothing()

    return empty
