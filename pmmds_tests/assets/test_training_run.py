"""A real train_job writes its results to the stores, to MLflow and to Dagster's events."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from pmmds_assets.jobs import train_job
from pmmds_core.models.bundle import load_bundle
from pmmds_core.stores.files.reference_source import load_reference
from pmmds_tests.harness.dagster_platform import (
    DagsterPlatform,
    assets_made,
    copy_of,
    data_version,
    errors_of,
    failed_checks,
    metadata_of,
)

# These tests share a platform, so they run in one test process.
pytestmark = pytest.mark.xdist_group("training")

Trained = tuple[DagsterPlatform, dg.ExecuteInProcessResult]
MADE = {
    "reference_data",
    "labelled_predictions",
    "training_data",
    "trained_model",
    "reference_profile",
    "model_evaluation",
    "promotion_decision",
    "production_model",
}


def test_the_first_run_promotes_its_model(trained: Trained) -> None:
    platform, result = trained
    assert result.success, errors_of(result)
    assert assets_made(result) == MADE
    assert failed_checks(result) == set()
    assert platform.deployment.production_version().version == "1"
    (decision,) = platform.deployment.decisions.recent()
    assert (decision.promoted, decision.state, decision.challenger_version) == (True, "recorded", "1")


@pytest.mark.parametrize("asset", sorted(MADE))
def test_every_asset_shows_numbers_a_table_and_a_chart(trained: Trained, asset: str) -> None:
    metadata = metadata_of(trained[1], asset)
    kinds = {type(v) for v in metadata.values()}
    assert dg.TableMetadataValue in kinds
    assert "data:image/svg+xml;base64," in str(metadata["chart"].value)
    assert any(
        isinstance(v, dg.IntMetadataValue | dg.FloatMetadataValue | dg.TableMetadataValue) for v in metadata.values()
    )


def test_the_version_has_validation_results_signature_example_and_card(trained: Trained, tmp_path: Path) -> None:
    import mlflow

    deployment = trained[0].deployment
    version = deployment.production_version()
    mlflow.set_tracking_uri(deployment.registry.tracking_uri)
    mlflow.set_registry_uri(deployment.registry.tracking_uri)
    client = mlflow.MlflowClient(deployment.registry.tracking_uri)
    names = {a.path for folder in ("", "validation", "bundle") for a in client.list_artifacts(version.run_id, folder)}
    assert {"validation/expectations.json", "validation/expectations.html", "validation/schema.json"} <= names
    assert {
        "bundle/scorer.json",
        "bundle/golden.json",
        "bundle/reference_profile.json",
        "bundle/model_card.md",
    } <= names
    run = client.get_run(version.run_id)
    assert run.data.metrics["holdout_roc_auc"] > 0.8
    assert run.data.params["candidate"] in {"logistic_regression", "hist_gradient_boosting"}
    model = mlflow.models.get_model_info(f"models:/{deployment.model_name}/{version.version}")
    assert model.signature is not None
    assert model.saved_input_example_info is not None
    bundle = load_bundle(
        deployment.registry.download_bundle(deployment.model_name, version.version, tmp_path / "bundle")
    )
    assert bundle.digest == version.digest


def test_the_evaluation_is_logged_as_page_and_model_card(trained: Trained) -> None:
    import mlflow

    deployment = trained[0].deployment
    client = mlflow.MlflowClient(deployment.registry.tracking_uri)
    names = {a.path for a in client.list_artifacts(deployment.production_version().run_id, "evaluation")}
    assert names >= {"evaluation/latest.html", "evaluation/model_card.md"}
    metadata = metadata_of(trained[1], "model_evaluation")
    page = Path(metadata["report"].value).read_text(encoding="utf-8")
    assert "Without a champion" in page
    assert "## Evaluation" in metadata["model_card"].value
    measures = {r.data["measure"] for r in metadata["metrics"].records}
    assert measures >= {"ROC-AUC", "PR-AUC", "log loss", "Brier score", "calibration error"}


def test_the_same_data_and_seed_give_the_same_model(trained: Trained, trained_home: Path, tmp_path: Path) -> None:
    """One model is trained in this process, the other by `pmmds train` in a separate one."""
    again = copy_of(trained_home, tmp_path)
    assert again.deployment.production_version().digest == trained[0].deployment.production_version().digest


def test_unmet_expectations_block_training(tmp_path: Path) -> None:
    settings = DagsterPlatform.build(tmp_path / "sample").deployment
    # The expectation suite requires 50 rows.
    frame = load_reference(settings.settings, settings.contract).data.frame.head(49)
    path = tmp_path / "small.csv"
    frame.to_csv(path, index=False)
    broken = DagsterPlatform.build(tmp_path / "home", PMMDS_DATA_PATH=str(path))
    result = broken.run("train_job")
    assert not result.success
    assert failed_checks(result) == {"expectations_are_met"}
    assert assets_made(result) == {"reference_data", "labelled_predictions"}
    assert broken.deployment.registry.versions(settings.model_name) == []


def test_an_invalid_value_is_reported_with_its_row_and_nothing_is_stored(tmp_path: Path) -> None:
    sample = DagsterPlatform.build(tmp_path / "sample").deployment
    frame = load_reference(sample.settings, sample.contract).data.frame.head(60)
    frame.loc[7, "contract"] = "weekly"
    path = tmp_path / "wrong.csv"
    frame.to_csv(path, index=False)
    broken = DagsterPlatform.build(tmp_path / "home", PMMDS_DATA_PATH=str(path))
    result = broken.run("train_job")
    assert not result.success
    (message,) = [e for e in errors_of(result) if "weekly" in e]
    assert "wrong.csv" in message
    assert broken.deployment.datasets.latest("reference") is None


def test_an_unvalidated_first_version_is_tagged_and_held(tmp_path: Path) -> None:
    platform = DagsterPlatform.build(tmp_path)
    result = platform.run("train_job", ops={"reference_data": {"config": {"validate_data": False}}})
    (version,) = platform.deployment.registry.versions(platform.deployment.model_name)
    assert version.tags["validation"] == "skipped"
    assert not platform.deployment.decisions.recent()[0].promoted
    assert not result.success
    assert "v1 is registered, but no model is in production" in errors_of(result)[0]


@pytest.mark.parametrize("asset", sorted(MADE))
def test_each_asset_can_be_materialized_alone(trained: Trained, asset: str) -> None:
    result = trained[0].run("train_job", selection=[asset])
    assert result.success, errors_of(result)
    assert assets_made(result) == {asset}


def test_data_versions_are_digests_of_content(trained: Trained) -> None:
    platform, result = trained
    reference = load_reference(platform.deployment.settings, platform.deployment.contract)
    assert data_version(result, "reference_data") == reference.data.digest[:16]
    assert data_version(result, "trained_model") == platform.deployment.production_version().digest[:16]


def test_the_job_has_tags_for_its_maximum_run_time_and_concurrency() -> None:
    tags = dict(train_job.tags or {})
    assert (tags["dagster/max_runtime"], tags["pmmds/writes"]) == ("1800", "models")


def test_the_reference_contains_every_row_of_the_sample(trained: Trained) -> None:
    dataset = trained[0].deployment.datasets.latest("reference", run_id=trained[1].run_id)
    assert dataset is not None
    assert isinstance(dataset.read(), pd.DataFrame)
    assert dataset.n_rows == 7043
