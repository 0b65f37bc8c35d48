"""performance_job computes metrics and estimates, and stores results and metadata."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pmmds_core.runtime.time_windows import daily_window_start
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.dagster_platform import DagsterPlatform, copy_of, errors_of, failed_checks, metadata_of


@pytest.fixture(scope="module")
def answered(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> DagsterPlatform:
    """A platform with a model and 600 unlabeled rows without drift, logged today."""
    platform = copy_of(trained_home, tmp_path_factory.mktemp("answered"))
    platform.log_rows(sample(platform), "w", with_labels=False)
    return platform


def sample(platform: DagsterPlatform) -> Any:
    return platform.deployment.datasets.require("holdout", "training_data").read().head(600)


def measured(platform: DagsterPlatform) -> tuple[dict[str, Any], set[str]]:
    result = platform.run("performance_job")
    assert result.success, errors_of(result)
    return metadata_of(result, "performance_report"), failed_checks(result)


def test_the_estimate_exists_without_labels_and_agrees_with_them(answered: DagsterPlatform) -> None:
    deployment = answered.deployment
    metadata, failed = measured(answered)
    assert failed == {"labels_have_arrived", "truth_agrees_with_the_estimate"}, "no labels have arrived"
    (row,) = [r.data for r in metadata["days"].records]
    assert row["roc_auc"] == "0 labels have arrived; 100 are required"
    assert 0.7 < float(row["estimated_roc_auc"]) < 0.95
    assert metadata["n_labels_missing"].value == 600

    labels = sample(answered)[deployment.contract.label.name]
    now = deployment.prediction_log.recent(1)[0].predicted_at
    deployment.ground_truth.add(LabelItem(f"w-{i}", int(y), now) for i, y in enumerate(labels) if i < 500)
    metadata, failed = measured(answered)
    assert failed == set()
    (row,) = [r.data for r in metadata["days"].records]
    realized, estimated = float(row["roc_auc"].split()[0]), float(row["estimated_roc_auc"])
    assert abs(realized - estimated) < 0.05, "the estimate agrees with the holdout within the error of 500 labels"
    assert metadata["n_labels_missing"].value == 100
    assert "CBPE" in metadata["estimate"].value
    html = Path(metadata["report"].path).read_text(encoding="utf-8")
    assert html.count("<svg") == 2
    assert "0.010 to 0.012" in html

    version = deployment.production_version()
    assert metadata["mlflow"].value == f"run {version.run_id}, performance/latest.html"
    (document,) = pmmds(deployment.settings.home_path, "performance", "--json").document
    assert document["realized"]["roc_auc"]["value"] == pytest.approx(realized, abs=5e-4)
    assert "0 labels" not in pmmds(deployment.settings.home_path, "performance").out


def test_an_unchanged_day_is_not_measured_again(answered: DagsterPlatform) -> None:
    measured(answered)
    deployment = answered.deployment
    # Two days, because midnight may have passed since the rows were logged.
    start = daily_window_start(datetime.now(UTC), 2)
    before = [k.computed_at for k in deployment.daily_performance.results(start)]
    measured(answered)
    after = [k.computed_at for k in deployment.daily_performance.results(start)]
    assert before == after
    assert before


def test_checks_warn_when_there_is_no_traffic(tmp_path: Path) -> None:
    platform = DagsterPlatform.build(tmp_path)
    result = platform.run("performance_job")
    assert result.success, errors_of(result)
    assert failed_checks(result) == {
        "labels_have_arrived",
        "estimate_is_inside_the_reference",
        "truth_agrees_with_the_estimate",
    }
    warned = {c.severity for c in result.get_asset_check_evaluations()}
    assert warned == {dg.AssetCheckSeverity.WARN}
