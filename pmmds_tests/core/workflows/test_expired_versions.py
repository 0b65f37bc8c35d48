"""Model versions that were never in production are removed from MLflow with their files; other versions are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.models.bundle_files import files_digest
from pmmds_core.models.registration import ModelToRegister
from pmmds_core.policies.decision import PENDING_APPROVAL
from pmmds_core.workflows.promotion import put_into_production
from pmmds_core.workflows.retention import expire
from pmmds_tests.harness.built_once import built_once
from pmmds_tests.harness.home_copies import copy_home

LATER = datetime.now(UTC) + timedelta(days=91)


def register(deployment: Deployment, folder: Path) -> str:
    frame = pd.DataFrame({"tenure": [1.0, 2.0, 3.0, 4.0]})
    pipeline = Pipeline([("model", LogisticRegression())]).fit(frame, [0, 1, 0, 1])
    rows = np.arange(4, dtype=np.int64)
    bundle = folder / "bundle"
    bundle.mkdir(exist_ok=True)
    (bundle / "manifest.json").write_text("{}", encoding="utf-8")
    model = ModelToRegister(
        deployment.model_name, "digest", pipeline, frame, {}, {}, {}, "a version", {"bundle": bundle}, rows
    )
    return deployment.registry.register(model).version


def promote(deployment: Deployment, version: str, champion: str | None, *, state: str = "") -> None:
    decision = deployment.decisions.save(
        kind="promotion",
        challenger=version,
        champion=champion,
        promoted=True,
        reason="better",
        improvement=0.01,
        details={},
        run_id=f"run-{version}",
        state=state,
    )
    if state != PENDING_APPROVAL:
        put_into_production(decision, deployment.decisions, deployment.registry)


@pytest.fixture(scope="session")
def seven_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which v1 and v2 were in production, v5 is pending approval, v6 has an alias and v7 is the newest."""

    def build(home: Path) -> None:
        folder = tmp_path_factory.mktemp("seven")  # This process keeps the databases open.
        deployment = Deployment(Settings(home=str(folder / "home")))
        for _ in range(7):
            register(deployment, folder)
        promote(deployment, "1", None)
        promote(deployment, "2", "1")
        promote(deployment, "5", "2", state=PENDING_APPROVAL)
        deployment.registry.move_alias(deployment.model_name, "candidate", "6")
        copy_home(folder / "home", home)

    return built_once(tmp_path_factory, "seven-versions", build)


@pytest.fixture
def deployment(seven_versions: Path, tmp_path: Path) -> Deployment:
    """A home in which v1 and v2 were in production, v5 is pending approval, v6 has an alias and v7 is the newest."""
    return Deployment(Settings(home=str(copy_home(seven_versions, tmp_path / "home"))))


def versions(deployment: Deployment) -> list[str]:
    return sorted(v.version for v in deployment.registry.versions(deployment.model_name))


def files(deployment: Deployment, text: str) -> list[Path]:
    """Return the MLflow artifact files whose path contains `text`."""
    return [
        path
        for path in (deployment.settings.home_path / "mlartifacts").rglob("*")
        if text in str(path) and path.is_file()
    ]


def removed(deployment: Deployment, now: datetime, *, dry_run: bool = False) -> int:
    return next(x.n_removed for x in expire(deployment, now, dry_run=dry_run) if x.kind == "model versions")


def test_versions_never_used_in_production_are_removed_with_their_files(deployment: Deployment, tmp_path: Path) -> None:
    runs = {v.version: v.run_id for v in deployment.registry.versions(deployment.model_name)}
    n_before = len(files(deployment, ""))
    assert all(files(deployment, run_id) for run_id in runs.values())
    assert removed(deployment, datetime.now(UTC)) == 0, "no version is old enough yet"
    assert removed(deployment, LATER, dry_run=True) == 2
    assert versions(deployment) == ["1", "2", "3", "4", "5", "6", "7"]
    assert removed(deployment, LATER) == 2
    assert versions(deployment) == ["1", "2", "5", "6", "7"]
    assert files(deployment, runs["3"]) == files(deployment, runs["4"]) == []
    assert len(files(deployment, "")) * 7 == n_before * 5, "the pipelines logged by MLflow are also removed"
    assert removed(deployment, LATER) == 0
    promotion = deployment.decisions.last_promotion_of("2")
    assert promotion is not None
    assert promotion.champion_version == "1", "the version that a rollback would restore"
    assert deployment.registry.files_digest(deployment.model_name, "1") == files_digest(b"{}"), (
        "the files of this version still exist"
    )


def test_an_interrupted_deletion_is_finished_by_the_next_run(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for step in ("delete_logged_model", "delete_run", "delete_model_version"):
        with monkeypatch.context() as patch:
            patch.setattr(MlflowClient, step, killed)
            with pytest.raises(KeyboardInterrupt):
                expire(deployment, LATER)
        assert len(versions(deployment)) == 7
    assert removed(deployment, LATER) == 2
    assert versions(deployment) == ["1", "2", "5", "6", "7"]


def test_a_retention_period_of_zero_days_keeps_every_version(deployment: Deployment) -> None:
    kept = Deployment(Settings(home=deployment.settings.home, retention_models_days=0))
    assert removed(kept, LATER) == 0
    assert len(versions(kept)) == 7
