"""Free ports are chosen, and other programs that listen on a port are detected."""

from __future__ import annotations

import dataclasses
import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pmmds_cli.commands.service import stop
from pmmds_cli.processes.definitions import Process
from pmmds_cli.processes.ports import free_ports, is_free, listens
from pmmds_cli.processes.readiness import wait_until_ready
from pmmds_cli.processes.supervisor import Supervisor
from pmmds_core.config.settings import Settings
from pmmds_core.errors import PortTakenError, ServiceError
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.service_process import wait_until

HOST = "127.0.0.1"
SERVE_FILES = ("-m", "http.server", "--bind", HOST)


class Friendly(BaseHTTPRequestHandler):
    """Responds to every GET with 200, like another PMMDS deployment."""

    def do_GET(self) -> None:  # http.server requires this method name
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def other_port() -> Iterator[int]:
    with ThreadingHTTPServer((HOST, 0), Friendly) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextmanager
def supervised(home: Path, process: Process) -> Iterator[Supervisor]:
    settings = Settings(home=str(home))
    supervisor = Supervisor(settings)
    with supervisor.starting():
        supervisor.start([process], os.environ)
    try:
        yield supervisor
    finally:
        stop(settings)


def test_requested_ports_are_used_if_they_are_free(other_port: int) -> None:
    free = free_port()
    found = free_ports({"a": other_port, "b": free, "c": free})
    assert found["a"] != other_port
    assert found["b"] == free
    assert len(set(found.values())) == 3
    assert all(is_free(HOST, port) for port in found.values())


def test_the_process_that_listens_on_a_port_is_detected(other_port: int) -> None:
    assert listens(os.getpid(), other_port)
    assert not listens(os.getpid(), free_port())
    assert not listens(2**22, other_port), "no process has this id"


@pytest.mark.process
def test_a_response_from_another_program_does_not_count_as_ready(tmp_path: Path, other_port: int) -> None:
    argv = [sys.executable, "-c", "import time; time.sleep(600)"]
    url = f"http://{HOST}:{other_port}/livez"
    process = Process("serving", argv, HOST, other_port, url)
    with supervised(tmp_path, process) as supervisor, pytest.raises(PortTakenError) as refused:
        wait_until_ready(supervisor, [process])
    assert str(refused.value) == (
        f"Port {other_port} on {HOST}, needed by serving, is in use. "
        "Stop the program that uses it, or set PMMDS_HTTP_PORT to a free port."
    )


@pytest.mark.process
def test_missing_process_is_reported_with_its_log_and_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("pmmds_cli.processes.readiness.START_SECONDS", 3.0)
    monkeypatch.setattr("pmmds_cli.output.waiting.LINE_SECONDS", 0.2)
    port = free_port()
    program = "import time; print('creating the tables', flush=True); time.sleep(600)"
    slow = Process("mlflow", [sys.executable, "-c", program], HOST, port, f"http://{HOST}:{port}/health")
    log = tmp_path / "logs" / "mlflow.log"
    with supervised(tmp_path, slow) as supervisor:
        wait_until(lambda: log.exists() and "creating the tables" in log.read_text())
        with pytest.raises(ServiceError) as refused:
            wait_until_ready(supervisor, [slow])
    assert f"mlflow was not ready after 3 seconds. Last lines of {log}: creating the tables" in str(refused.value)
    assert f"s: waiting for mlflow; log: {log}" in capsys.readouterr().err


@pytest.mark.process
def test_response_from_the_started_process_counts_as_ready(tmp_path: Path) -> None:
    port = free_port()
    process = Process("serving", [sys.executable, *SERVE_FILES, str(port)], HOST, port, f"http://{HOST}:{port}/")
    with supervised(tmp_path, process) as supervisor:
        wait_until_ready(supervisor, [process])
        (state,) = supervisor.states()
        assert listens(state.pid, port)
    assert is_free(HOST, port)


@pytest.mark.process
def test_grpc_port_taken_during_startup_is_reported(tmp_path: Path, other_port: int) -> None:
    """The demo catches this error and retries with other ports."""
    with socket.create_connection((HOST, other_port)) as connection:
        taken = connection.getsockname()[1]
        port = free_port()
        process = Process("serving", [sys.executable, "-c", "exit(1)"], HOST, port, f"http://{HOST}:{port}/livez")
        process = dataclasses.replace(process, grpc_port=taken)
        with supervised(tmp_path, process) as supervisor, pytest.raises(PortTakenError) as refused:
            wait_until_ready(supervisor, [process])
    assert str(refused.value) == (
        f"Port {taken} on {HOST}, needed by serving, is in use. "
        "Stop the program that uses it, or set PMMDS_GRPC_PORT to a free port."
    )
