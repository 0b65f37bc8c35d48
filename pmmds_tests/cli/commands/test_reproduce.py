"""`pmmds reproduce` gets the same digest from the recorded data, or reports why it cannot."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from pmmds_core.training.code_version import code_version
from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.dagster_platform import DagsterPlatform


def test_version_is_reproduced_under_other_settings(trained_home: Path) -> None:
    deployment = DagsterPlatform.build(trained_home).deployment
    found = pmmds(trained_home, "reproduce", "v1", "--json", PMMDS_TRAIN_SEED="7", PMMDS_TRAIN_HOLDOUT_SHARE="0.5")
    assert found.code == 0, found.err
    document = found.document
    assert document["is_equal"] is True
    assert document["digest"] == deployment.production_version().digest
    assert (document["seed"], document["differences"]) == (42, [])
    assert document["training_digest"] == deployment.production_version().tags["training_digest"]
    assert [v.version for v in deployment.registry.versions(deployment.model_name)] == ["1"], (
        "the command registers no version"
    )


def test_a_different_digest_exits_with_3_and_names_the_code_version(trained_home: Path) -> None:
    deployment = DagsterPlatform.build(trained_home).deployment
    version = deployment.production_version()
    changed = {"digest": "f" * 64, "code_version": "0.0.9+abc"}
    kept = {name: version.tags[name] for name in changed}
    deployment.registry.tag_version(deployment.model_name, "1", changed)
    try:
        said = pmmds(trained_home, "reproduce", "1")
    finally:
        deployment.registry.tag_version(deployment.model_name, "1", kept)
    assert said.code == 3
    assert "Not reproduced" in said.out
    assert f"code version: recorded 0.0.9+abc, here {code_version()}" in said.out


def test_missing_or_modified_rows_are_reported_before_training(trained_home: Path) -> None:
    deployment = DagsterPlatform.build(trained_home).deployment
    dataset = deployment.datasets.of_digest("training", deployment.production_version().tags["training_digest"])
    assert dataset is not None
    original = dataset.path.with_suffix(".kept")
    shutil.copy(dataset.path, original)
    try:
        pd.read_parquet(dataset.path).head(100).to_parquet(dataset.path)
        changed = pmmds(trained_home, "reproduce", "1")
        dataset.path.unlink()
        gone = pmmds(trained_home, "reproduce", "1")
    finally:
        original.replace(dataset.path)
    assert changed.code == 1
    assert "digest differs" in changed.sentence
    assert gone.code == 1
    assert "are not stored here" in gone.sentence


def test_unknown_or_incomplete_version_prints_one_sentence(trained_home: Path) -> None:
    unknown = pmmds(trained_home, "reproduce", "9")
    assert unknown.code == 2
    assert "has no version '9' in the registry. Registered versions: v1." in unknown.sentence
    word = pmmds(trained_home, "reproduce", "newest")
    assert word.code == 2
    assert "has no version 'newest' in the registry" in word.sentence
    other = pmmds(
        trained_home, "reproduce", "1", PMMDS_TRAIN_CANDIDATES="pmmds_tests.cli.own:NONE", PYTHONPATH=str(Path.cwd())
    )
    assert other.code == 2
    assert "PMMDS_TRAIN_CANDIDATES" in other.sentence
