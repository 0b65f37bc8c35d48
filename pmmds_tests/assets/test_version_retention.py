"""Versions never in production are deleted with their files; the others are kept and can be restored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pmmds_core.workflows.retention import expire
from pmmds_core.workflows.rollback import roll_back
from pmmds_tests.assets.test_rollback_and_approval import with_v2_promoted
from pmmds_tests.harness.dagster_platform import DagsterPlatform, errors_of


def versions(platform: DagsterPlatform) -> set[str]:
    return {v.version for v in platform.deployment.registry.versions(platform.deployment.model_name)}


def files_of(home: Path, run_id: str) -> list[Path]:
    return [path for path in home.glob("mlartifacts/**/*") if path.is_file() and run_id in str(path)]


def n_files(home: Path) -> int:
    return sum(path.is_file() for path in home.glob("mlartifacts/**/*"))


def test_a_version_never_in_production_is_deleted_and_rollback_works(two_versions_home: Path, tmp_path: Path) -> None:
    platform = with_v2_promoted(two_versions_home, tmp_path)
    for _ in range(2):
        result = platform.run("train_job", selection=["trained_model"])
        assert result.success, errors_of(result)
    deployment = platform.deployment
    gone = deployment.registry.get_version(deployment.model_name, "3")
    assert files_of(tmp_path, gone.run_id)
    before = n_files(tmp_path)
    later = datetime.now(UTC) + timedelta(days=91)
    assert {e.kind: e.n_removed for e in expire(deployment, later, dry_run=True)}["model versions"] == 1
    assert {e.kind: e.n_removed for e in expire(deployment, later)}["model versions"] == 1
    assert versions(platform) == {"1", "2", "4"}, "1 and 2 were in production; 4 is the challenger and the newest"
    assert files_of(tmp_path, gone.run_id) == []
    assert n_files(tmp_path) < before - 10, "the logged pipeline is also deleted"
    assert roll_back(deployment, by="Ada").challenger_version == "1"
    assert {e.kind: e.n_removed for e in expire(deployment, later)}["model versions"] == 0
