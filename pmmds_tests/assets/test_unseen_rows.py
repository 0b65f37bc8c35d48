"""A model is judged on rows that it has not seen, however its assets were materialized."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pmmds_core.data.row_identity import keys_of
from pmmds_tests.harness.dagster_platform import House, copy_of, errors_of


def test_a_version_is_not_judged_on_the_holdout_of_another_training(trained_home: Path, tmp_path: Path) -> None:
    first = copy_of(trained_home, tmp_path, PMMDS_TRAIN_SEED="11")
    assert first.run("train_job", selection=["training_data", "trained_model"]).success
    d = first.deployment
    second = House.build(d.settings.home_path, PMMDS_TRAIN_SEED="777")
    assert second.run("train_job", selection=["training_data"]).success
    before = d.decisions.recent()
    (error,) = errors_of(second.run("train_job", selection=["model_evaluation"]))
    assert "v2 was trained on" in error
    assert "so these rows cannot judge it" in error
    assert d.decisions.recent() == before


def test_a_run_judges_its_own_version_wherever_the_alias_was_moved(two_versions_home: Path, tmp_path: Path) -> None:
    house = copy_of(two_versions_home, tmp_path)
    d = house.deployment
    d.registry.move_alias(d.model_name, "challenger", "1")
    registered = d.registrations.of_run("of no run")
    assert registered is not None
    assert registered.version == "2"
    result = house.run("train_job", selection=["model_evaluation"])
    assert result.success, errors_of(result)
    evaluation = d.decisions.latest_evaluation()
    assert evaluation.challenger_version == "2"
    holdout = d.datasets.require("holdout", "training_data")
    keys = keys_of(holdout.read(), d.contract.feature_names)
    rows = d.registry.training_rows(d.registry.get_version(d.model_name, "2"))
    assert not np.isin(keys, rows).any()


def test_a_version_without_recorded_training_rows_is_not_judged(trained_home: Path, tmp_path: Path) -> None:
    house = copy_of(trained_home, tmp_path)
    d = house.deployment
    version = d.registry.get_version(d.model_name, "1")
    with d.registry._client() as client:
        place = Path(client.get_run(version.run_id).info.artifact_uri.removeprefix("file://"))
    rows = place / "training" / "row_digests.npy"
    content = rows.read_bytes()
    rows.unlink()
    try:
        result = house.run("train_job", selection=["model_evaluation"])
    finally:
        rows.write_bytes(content)
    assert "has no record of the rows that it was trained on" in errors_of(result)[0]
