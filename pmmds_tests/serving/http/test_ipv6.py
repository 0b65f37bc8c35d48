"""A service on ::1, whose home has special characters in its name, answers HTTP, gRPC and the commands."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from pmmds_cli.client.service_client import ServiceClient
from pmmds_cli.processes.definitions import single_processes
from pmmds_cli.processes.health_check import check_process
from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.lifecycle.service_counters import service_totals
from pmmds_tests.harness.grpc_requests import predict_request, stub_of
from pmmds_tests.harness.service_process import running_service, service_environment

pytestmark = pytest.mark.process


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no IPv6 loopback address")
def test_service_on_ipv6_loopback_in_a_home_with_special_characters(tmp_path: Path, contract: Contract) -> None:
    home = tmp_path / "a%20b #c?d"
    environment = service_environment(home, "", PMMDS_HTTP_HOST="::1")
    with running_service(environment, ready="/livez") as service:
        assert service.url == f"http://[::1]:{service.settings.http_port}"
        process = single_processes(service.settings)["serving"]
        assert check_process(process, service.settings) == "serving is healthy; model: none yet."
        with ServiceClient(service.settings) as client:
            assert client.health() is not None
            assert not client.is_ready()
        assert service_totals(service.settings) is not None
        front_page = service.client.get("/").text
        assert f"http://[::1]:{service.settings.http_port}/api/v1/predict" in front_page
        with stub_of(service.settings) as stub, pytest.raises(Exception, match="has no model yet"):
            stub.Predict(predict_request(contract.example()))
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [entry.name for entry in tmp_path.iterdir()] == [home.name]
