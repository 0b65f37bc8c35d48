"""Dagster's daemon retrains once on new labels, without an alert."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_tests.harness.dagster_daemons import daemon_of
from pmmds_tests.harness.dagster_platform import DagsterPlatform, errors_of


@pytest.mark.process
@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_new_labels_trigger_one_retraining(tmp_path: Path) -> None:
    variables = {"PMMDS_RETRAIN_EVERY_LABELS": "100", "PMMDS_RETRAIN_COOLDOWN_MINUTES": "0.0001"}
    platform = DagsterPlatform.build(tmp_path, PMMDS_SCHEDULES="off", **variables)
    trained = platform.run("train_job")
    assert trained.success, errors_of(trained)
    deployment = platform.deployment
    platform.log_rows(traffic_rows(packaged_generator(), deployment.contract, 150, "none", seed=5).frame, "m")
    log = tmp_path / "daemon.log"
    with daemon_of(deployment.settings, log) as daemon:
        daemon.wait_for(lambda: any(r.finished_at for r in deployment.retrainings.recent()))
        (run,) = deployment.retrainings.recent()
        assert (run.trigger_type, run.cause, run.outcome) == ("labels", "labels:v1:1", "blocked_no_labels")
        assert run.n_new_labels == 150
        platform.log_rows(traffic_rows(packaged_generator(), deployment.contract, 120, "none", seed=6).frame, "n")
        daemon.wait_for(lambda: len([r for r in deployment.retrainings.recent() if r.finished_at]) == 2)
    newest = deployment.retrainings.recent()[0]
    assert (newest.cause, newest.attempt) == ("labels:v1:2", 1)
    assert newest.outcome in ("held", "promoted"), newest.reason
    assert deployment.alerts.recent() == []
