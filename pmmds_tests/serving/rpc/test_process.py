"""gRPC starts and shuts down correctly, and workers share its port."""

from __future__ import annotations

import shutil
import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_serving.generated.pmmds.v1 import prediction_pb2 as messages
from pmmds_serving.generated.pmmds.v1.prediction_pb2_grpc import PredictionServiceStub
from pmmds_serving.model.cache import ACTIVE
from pmmds_tests.harness.grpc_requests import SECONDS, code_of, connected, predict_request, refused, stub_of
from pmmds_tests.harness.service_process import RunningService, running_service, service_environment, wait_until
from pmmds_tests.harness.service_requests import all_logged
from pmmds_tests.serving.test_service_process import refused_start

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]

Prepare = Callable[..., dict[str, str]]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE = "pmmds.v1.PredictionService"


def asked(service: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


def test_an_occupied_grpc_port_prints_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code, said = refused_start(service_environment(tmp_path, "", PMMDS_GRPC_PORT=str(port)))
    assert code == 1
    assert said.startswith(f"Error: Port {port} on 127.0.0.1 cannot be used: Address already in use. ")
    assert "PMMDS_GRPC_PORT" in said
    assert said.count("\n") == 1


def test_another_service_does_not_share_the_port(service: RunningService, tmp_path: Path) -> None:
    port = str(service.settings.grpc_port)
    code, said = refused_start(service_environment(tmp_path, "", PMMDS_GRPC_PORT=port))
    assert code == 1
    assert f"Port {port} on 127.0.0.1 cannot be used" in said
    assert "PMMDS_GRPC_PORT" in said


def test_the_same_port_for_http_and_grpc_prints_one_sentence(tmp_path: Path) -> None:
    environment = service_environment(tmp_path, "")
    port = environment["PMMDS_GRPC_PORT"]
    code, said = refused_start({**environment, "PMMDS_HTTP_PORT": port})
    assert code == 2
    assert said == (
        f"Error: PMMDS_HTTP_PORT and PMMDS_GRPC_PORT are both {port}. Set one of them to a different port.\n"
    )


def test_health_follows_readiness(
    shared_service: RunningService, two_versions: Deployment, contract: Contract, tmp_path: Path
) -> None:
    """Check health without a model, with a cached model, and during shutdown."""
    home = tmp_path / "home"
    environment = service_environment(home, f"sqlite:///{tmp_path / 'empty.db'}")
    seen: list[int] = []
    with running_service(environment, ready="/livez") as service, connected(service.settings) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("", SERVICE):
            assert health.Check(asked(name)).status == NOT_SERVING
        watched = health.Watch(asked(SERVICE))
        follower = threading.Thread(target=lambda: seen.extend(answer.status for answer in watched))
        follower.start()
        wait_until(lambda: seen == [NOT_SERVING])
        stub = PredictionServiceStub(channel)
        found = refused(lambda: stub.Predict(predict_request(contract.example())))
        assert (found.code, found.message) == (grpc.StatusCode.UNAVAILABLE, "The service has no model yet")
        assert refused(lambda: stub.GetModel(messages.GetModelRequest())).code is grpc.StatusCode.UNAVAILABLE

        cached, own = (folder / "model_cache" / contract.model_name for folder in (shared_service.home, home))
        shutil.copytree(cached / "1", own / "1")
        shutil.copy(cached / ACTIVE, own / "active")
        (own / "active").rename(own / ACTIVE)
        service.wait_for("/ready")
        for name in ("", SERVICE):
            assert health.Check(asked(name)).status == SERVING
        assert refused(lambda: health.Check(asked("other"))).code is grpc.StatusCode.NOT_FOUND
        wait_until(lambda: seen == [NOT_SERVING, SERVING])
        assert stub.Predict(predict_request(contract.example())).model_version == "1"
        assert service.stop() == 0
        follower.join(SECONDS)
        assert seen == [NOT_SERVING, SERVING, NOT_SERVING]


def test_two_workers_share_the_port_and_log_each_prediction_once(guarded: RunningService, contract: Contract) -> None:
    answered: list[str] = []
    answering: set[int] = set()

    def both_have_answered() -> bool:
        with stub_of(
            guarded.settings
        ) as stub:  # each client opens one connection, which the kernel assigns to a worker
            answered.extend(stub.Predict(predict_request(contract.example())).request_id for _ in range(5))
            answering.update(pid for pid in pids if is_connected(guarded, pid))
        return answering == pids

    pids = {w["pid"] for w in guarded.client.get("/model").json()["workers"]}
    assert len(pids) == 2
    wait_until(both_have_answered)
    wait_until(all_logged(guarded.deployment(), answered))
    assert set(Counter(answered).values()) == {1}


def is_connected(service: RunningService, pid: int) -> bool:
    """Return True if a client is connected to this worker's gRPC server."""
    connections = psutil.Process(pid).net_connections(kind="tcp")
    port = service.settings.grpc_port
    return any(c.laddr.port == port and c.status == psutil.CONN_ESTABLISHED for c in connections)


def test_shutdown_completes_open_calls_and_logs_their_predictions(
    prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    answered: list[str] = []
    problems: list[grpc.StatusCode] = []
    request = predict_request(contract.example())

    with running_service(prepared(tmp_path / "home")) as service:

        def ask() -> None:
            with stub_of(service.settings) as stub:
                while True:
                    try:
                        answered.append(stub.Predict(request, timeout=SECONDS).request_id)
                    except grpc.RpcError as error:
                        problems.append(code_of(error))
                        return

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        wait_until(lambda: len(answered) > 200)
        assert service.stop() == 0
        for client in clients:
            client.join(SECONDS)
        assert problems == [grpc.StatusCode.UNAVAILABLE] * 4
        assert all_logged(service.deployment(), answered)()
        assert service.deployment().prediction_log.count() == len(answered) == len(set(answered))
        assert list((service.home / "spool").iterdir()) == []
        assert "Traceback" not in service.output
