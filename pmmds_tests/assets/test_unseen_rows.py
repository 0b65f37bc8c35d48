"""A model is never evaluated on its training rows, regardless of the order of materialization."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pmmds_core.data.row_identity import keys_of
from pmmds_tests.harness.dagster_platform import DagsterPlatform, copy_of, errors_of


def test_a_version_is_not_evaluated_on_the_holdout_of_another_run(trained_home: Path, tmp_path: Path) -> None:
    first = copy_of(trained_home, tmp_path, PMMDS_TRAIN_SEED="11")
    assert first.run("train_job", selection=["training_data", "trained_model"]).success
    deployment = first.deployment
    second = DagsterPlatform.build(deployment.settings.home_path, PMMDS_TRAIN_SEED="777")
    assert second.run("train_job", selection=["training_data"]).success
    before = deployment.decisions.recent()
    (error,) = errors_of(second.run("train_job", selection=["model_evaluation"]))
    assert "v2 was trained on" in error
    assert "holdout rows" in error
    assert deployment.decisions.recent() == before


def test_a_run_evaluates_its_own_version_even_if_the_alias_moved(two_versions_home: Path, tmp_path: Path) -> None:
    platform = copy_of(two_versions_home, tmp_path)
    deployment = platform.deployment
    deployment.registry.move_alias(deployment.model_name, "challenger", "1")
    registered = deployment.registrations.of_run("of no run")
    assert registered is not None
    assert registered.version == "2"
    result = platform.run("train_job", selection=["model_evaluation"])
    assert result.success, errors_of(result)
    evaluation = deployment.decisions.latest_evaluation()
    assert evaluation.challenger_version == "2"
    holdout = deployment.datasets.require("holdout", "training_data")
    keys = keys_of(holdout.read(), deployment.contract.feature_names)
    rows = deployment.registry.training_rows(deployment.registry.get_version(deployment.model_name, "2"))
    assert not np.isin(keys, rows).any()


def test_a_version_without_recorded_training_rows_is_not_evaluated(trained_home: Path, tmp_path: Path) -> None:
    platform = copy_of(trained_home, tmp_path)
    deployment = platform.deployment
    version = deployment.registry.get_version(deployment.model_name, "1")
    with deployment.registry._client() as client:
        place = Path(client.get_run(version.run_id).info.artifact_uri.removeprefix("file://"))
    rows = place / "training" / "row_digests.npy"
    rows.unlink()
    result = platform.run("train_job", selection=["model_evaluation"])
    assert "has no record of the rows that it was trained on" in errors_of(result)[0]
