"""The complete loop runs with the tutorial's contract on another real data set."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_assets.sensors import drift_alert_sensor
from pmmds_core.stores.files.reference_source import load_reference
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_tests.harness.dagster_platform import DagsterPlatform, errors_of, failed_checks

CONTRACT = Path(__file__).parents[2] / "docs" / "tutorials" / "breast_cancer.yaml"


@pytest.fixture
def platform(tmp_path: Path) -> DagsterPlatform:
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    frame = data.frame[[c for c in data.frame if c.startswith("mean ")]]
    path = tmp_path / "tumors.csv"
    frame.assign(diagnosis=data.target.map({0: "malignant", 1: "benign"})).to_csv(path, index=False)
    return DagsterPlatform.build(
        tmp_path / "home",
        PMMDS_CONTRACT=str(CONTRACT),
        PMMDS_DATA_PATH=str(path),
        PMMDS_RETRAIN_MIN_LABELS="100",
    )


def test_the_whole_loop_runs_on_another_contract(platform: DagsterPlatform) -> None:
    trained = platform.run("train_job")
    assert trained.success, errors_of(trained)
    deployment = platform.deployment
    assert deployment.model_name == "tumor-classifier"
    assert deployment.profiles.bundle("1").manifest.metrics["roc_auc"] > 0.95
    source = load_reference(deployment.settings, deployment.contract).data
    assert source.n_rows == 569

    platform.log_rows(traffic_rows(source, deployment.contract, 200, "none", seed=1).frame, "calm")
    calm = platform.run("monitor_job", tags=platform.window_tags())
    assert failed_checks(calm) == set()

    platform.log_rows(traffic_rows(source, deployment.contract, 500, "shift", seed=2).frame, "moved")
    drifted = platform.run("monitor_job", tags=platform.window_tags())
    assert failed_checks(drifted) == {"features_are_stable"}

    retrained = platform.run("retrain_job", tags=dict(platform.wait_for_request(drift_alert_sensor).tags))
    assert retrained.success, errors_of(retrained)
    decision = platform.deployment.decisions.recent()[0]
    assert (decision.challenger_version, decision.champion_version) == ("2", "1")
    assert "roc_auc" in decision.promotion_reason
