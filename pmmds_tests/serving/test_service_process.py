"""A service handles failed starts, a missing model, SIGKILL and SIGTERM."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_serving.model.cache import ModelCache
from pmmds_serving.model.watcher import NO_MODEL
from pmmds_serving.spool.segment import SUFFIX
from pmmds_tests.harness.service_process import (
    PATIENCE_SECONDS,
    RunningService,
    has_ended,
    running_service,
    service_environment,
    wait_until,
)
from pmmds_tests.harness.service_requests import (
    PREDICT,
    all_logged,
    example,
    predicted,
)

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]

Prepare = Callable[..., dict[str, str]]


def refused_start(environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pmmds_serving"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def test_an_occupied_port_prints_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code, said = refused_start(service_environment(tmp_path, "", PMMDS_HTTP_PORT=str(port)))
    assert code == 1
    assert said.startswith(f"Error: Port {port} on 127.0.0.1 cannot be used: Address already in use. ")
    assert "PMMDS_HTTP_PORT" in said
    assert said.count("\n") == 1


def test_a_home_that_is_a_file_prints_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    code, said = refused_start(service_environment(tmp_path / "home", ""))
    assert code == 1
    assert said.startswith("Error: The folder ")
    assert "PMMDS_HOME" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("PMMDS_HTTP_HOST", "localhost", "PMMDS_HTTP_HOST='localhost' is not an IP address."),
        ("PMMDS_SERVING_WORKERS", "0", "PMMDS_SERVING_WORKERS='0' is not valid: expected a whole number >= 1."),
        ("PMMDS_CONTRACT", "/no/such.yaml", "The contract /no/such.yaml cannot be read: No such file or directory."),
    ],
)
def test_an_invalid_setting_exits_with_code_2(tmp_path: Path, variable: str, value: str, sentence: str) -> None:
    code, said = refused_start(service_environment(tmp_path, "", **{variable: value}))
    assert code == 2
    assert said.startswith("Error: " + sentence)
    assert said.count("\n") == 1


def test_without_a_model_the_service_starts_and_rejects_predictions(
    two_versions: Deployment, contract: Contract, tmp_path: Path
) -> None:
    source = Path(sys.modules["pmmds_core.contracts"].__path__[0], "telco_churn.yaml").read_text(encoding="utf-8")
    other = tmp_path / "other.yaml"
    other.write_text(source.replace("model_name: churn-classifier", "model_name: untrained"), encoding="utf-8")
    environment = service_environment(tmp_path, two_versions.registry.tracking_uri, PMMDS_CONTRACT=str(other))
    with running_service(environment, ready="/livez") as service:
        wait_until(lambda: service.client.get("/model").json()["detail"]["errors"] == [NO_MODEL])
        assert service.client.get("/ready").json() == {"status": "not ready", "reasons": ["no model is loaded"]}
        assert service.client.get("/healthz").json()["parts"]["model"]["status"] == "none"
        assert "No model" in service.client.get("/").text
        response = service.client.post(PREDICT, json=example(contract))
        assert response.status_code == 503
        detail = response.json()["detail"]
        assert detail["message"] == "The service has no model yet"
        assert "pmmds train" in detail["errors"][0]


def test_no_prediction_is_lost_if_the_service_is_killed(prepared: Prepare, contract: Contract, tmp_path: Path) -> None:
    environment = prepared(tmp_path / "home")
    with running_service(environment) as first:
        database = first.deployment().database
        with database.begin():  # the lock blocks all writers, so predictions stay in the spool
            answered = [predicted(first.client, contract) for _ in range(200)]
            first.kill()
        assert first.deployment().prediction_log.count() == 0
    with running_service(environment) as second:
        wait_until(all_logged(second.deployment(), answered))
        assert second.deployment().prediction_log.count() == 200
        wait_until(lambda: len(list((second.home / "spool").glob(f"*{SUFFIX}"))) == 1)  # its own


def test_another_worker_takes_over_a_killed_workers_spool_and_watcher(
    guarded: RunningService, contract: Contract
) -> None:
    cache = ModelCache(guarded.home, contract.model_name)
    wait_until(lambda: cache.read_watcher() is not None)
    watcher = cache.read_watcher()
    assert watcher is not None
    victim = psutil.Process(watcher.pid).parent()
    assert victim is not None
    before = {worker.pid for worker in cache.live_workers()}
    assert victim.pid in before
    answered = []
    for _ in range(40):  # a new connection for each request, so that both workers are used
        with httpx.Client(base_url=guarded.url, trust_env=False, timeout=60) as client:
            answered.append(predicted(client, contract))
    victim.kill()
    wait_until(all_logged(guarded.deployment(), answered))
    wait_until(lambda: len({worker.pid for worker in cache.live_workers()} - {victim.pid}) == 2)
    wait_until(lambda: (now := cache.read_watcher()) is not None and now.pid != watcher.pid)
    assert guarded.client.post(PREDICT, json=example(contract)).status_code == 200


def test_sigterm_completes_open_requests_and_empties_the_spool(
    prepared: Prepare, contract: Contract, tmp_path: Path
) -> None:
    with running_service(prepared(tmp_path / "home")) as service:
        address = (service.settings.http_host, service.settings.http_port)
        answered = [predicted(service.client, contract) for _ in range(20)]
        body = httpx.Request("POST", service.url, json=example(contract)).content
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-ID: last\r\n"
        processes = service.tree()
        with (
            socket.create_connection(address, timeout=60) as begun,
            socket.create_connection(address, timeout=60) as idle,
        ):
            idle.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while b"alive" not in received:
                received += idle.recv(10_000)
            begun.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:10])
            service.process.terminate()
            assert idle.recv(1) == b""  # the service has started to shut down
            begun.sendall(body[10:])
            answer = begun.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert service.stop() == 0
        assert all_logged(service.deployment(), [*answered, "last"])()
        assert list((service.home / "spool").iterdir()) == []
        wait_until(lambda: all(map(has_ended, processes)))
        assert "Traceback" not in service.output
