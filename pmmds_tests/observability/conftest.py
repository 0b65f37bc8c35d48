"""Fixtures: a real service with a model, drifted traffic and finished jobs, and a Prometheus that scrapes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from pmmds_assets.sensors import drift_alert_sensor
from pmmds_core.contracts.contract import Contract
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_serving.generated.pmmds.v1.prediction_pb2 import PredictRequest
from pmmds_tests.harness.dagster_platform import DagsterPlatform, copy_of, errors_of
from pmmds_tests.harness.grpc_requests import stub_of
from pmmds_tests.harness.prometheus import Prometheus, running_prometheus
from pmmds_tests.harness.service_process import RunningService, running_service, service_environment, wait_until
from pmmds_tests.harness.service_requests import BATCH, JSON, PREDICT, all_logged, example
from pmmds_tests.harness.trained_homes import first_version_home
from pmmds_tests.observability.deployed import RULES

N_DRIFTED = 600


@pytest.fixture(scope="session")
def watched_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service after a promotion, with drifted traffic, an open alert and a retraining that lacks labels."""
    home = tmp_path_factory.mktemp("watched")
    platform = copy_of(first_version_home(tmp_path_factory), home)
    with running_service(service_environment(home, platform.deployment.registry.tracking_uri)) as service:
        send_drifted_traffic(service, platform)
        monitored = platform.run("monitor_job", tags=platform.window_tags())
        assert monitored.success, errors_of(monitored)
        request = platform.wait_for_request(drift_alert_sensor)
        retrained = platform.run("retrain_job", tags=dict(request.tags))
        assert retrained.success, errors_of(retrained)
        yield service


def send_drifted_traffic(service: RunningService, platform: DagsterPlatform) -> None:
    frame = traffic_rows(packaged_generator(), platform.deployment.contract, N_DRIFTED, "migration", seed=5).frame
    features = frame[list(platform.deployment.contract.feature_names)].to_dict("records")
    answer = service.client.post(BATCH, json={"instances": features})
    assert answer.status_code == 200, answer.text
    ids = [p["request_id"] for p in answer.json()["predictions"]]
    wait_until(all_logged(platform.deployment, ids))


def send_all_kinds_of_requests(service: RunningService, contract: Contract) -> None:
    """Send valid and invalid requests over HTTP and gRPC."""
    assert service.client.post(PREDICT, json=example(contract)).status_code == 200
    assert service.client.post(BATCH, json={"instances": [contract.example()]}).status_code == 200
    assert service.client.post(PREDICT, json={"features": {}}).status_code == 400
    assert service.client.post(PREDICT, content=b"{", headers=JSON).status_code == 400
    assert service.client.get("/healthz").status_code == 200
    with stub_of(service.settings) as stub, pytest.raises(grpc.RpcError):
        stub.Predict(PredictRequest())


@pytest.fixture(scope="session")
def prometheus(watched_service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder: Path = tmp_path_factory.mktemp("prometheus")
    settings = watched_service.settings
    with running_prometheus(folder, f"{settings.http_host}:{settings.http_port}", RULES) as server:
        yield server
