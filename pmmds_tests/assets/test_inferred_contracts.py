"""Training and monitoring work with contracts inferred from five unprepared data sets."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_assets.sensors import drift_alert_sensor
from pmmds_core.contract_inference.infer import InferenceOptions, infer_contract
from pmmds_core.contract_inference.project import write_project
from pmmds_core.stores.files.reference_source import load_reference
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_tests.harness.dagster_platform import DagsterPlatform, errors_of
from pmmds_tests.harness.own_data_sets import DATA_SETS, LABEL


@pytest.mark.slow
@pytest.mark.parametrize("name", DATA_SETS)
def test_the_loop_runs_on_an_inferred_contract(name: str, tmp_path: Path) -> None:
    data = tmp_path / f"{name}.csv"
    DATA_SETS[name]().to_csv(data, index=False)
    project = write_project(infer_contract(data, LABEL, InferenceOptions()), data, tmp_path / "project")
    platform = DagsterPlatform.build(
        tmp_path / "home",
        PMMDS_CONTRACT=str(project.contract),
        PMMDS_DATA_PATH=str(data),
        PMMDS_RETRAIN_MIN_LABELS="100",
        PMMDS_DRIFT_MIN_DRIFT_FEATURES="1",
    )
    trained = platform.run("train_job")
    assert trained.success, errors_of(trained)
    deployment = platform.deployment
    assert deployment.profiles.bundle("1").manifest.metrics["roc_auc"] > 0.6
    source = load_reference(deployment.settings, deployment.contract).data
    platform.log_rows(traffic_rows(source, deployment.contract, 600, "shift", seed=2).frame, "moved")
    monitored = platform.run("monitor_job", tags=platform.window_tags())
    assert monitored.success, errors_of(monitored)
    (alert,) = deployment.alerts.recent()
    assert alert.alert_id == 1
    retrained = platform.run("retrain_job", tags=dict(platform.wait_for_request(drift_alert_sensor).tags))
    assert retrained.success, errors_of(retrained)
    assert deployment.decisions.recent()[0].challenger_version == "2"
