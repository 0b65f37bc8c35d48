"""Ports: chosen, and an answer on one taken for ours only when our own process gave it."""

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

from pmmds_cli.commands.service import stop, wait_until_ready
from pmmds_cli.processes.definitions import Process
from pmmds_cli.processes.ports import free_ports, is_free, listens
from pmmds_cli.processes.supervisor import Supervisor
from pmmds_core.config.settings import Settings
from pmmds_core.errors import PortTakenError
from pmmds_tests.harness.ports import free_port

HOST = "127.0.0.1"
SERVE_FILES = ("-m", "http.server", "--bind", HOST)


class Friendly(BaseHTTPRequestHandler):
    """Answers every GET, as another PMMDS on the port would."""

    def do_GET(self) -> None:  # http.server's name for it
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


@pytest.fixture
def strangers_port() -> Iterator[int]:
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


def test_wanted_ports_are_taken_when_they_are_free(strangers_port: int) -> None:
    free = free_port()
    found = free_ports({"a": strangers_port, "b": free, "c": free})
    assert found["a"] != strangers_port
    assert found["b"] == free
    assert len(set(found.values())) == 3
    assert all(is_free(HOST, port) for port in found.values())


def test_who_listens(strangers_port: int) -> None:
    assert listens(os.getpid(), strangers_port)
    assert not listens(os.getpid(), free_port())
    assert not listens(2**22, strangers_port), "no process has such a number"


@pytest.mark.process
def test_an_answer_of_a_stranger_on_the_port_is_not_ours(tmp_path: Path, strangers_port: int) -> None:
    argv = [sys.executable, "-c", "import time; time.sleep(60)"]
    url = f"http://{HOST}:{strangers_port}/livez"
    process = Process("serving", argv, HOST, strangers_port, url)
    with supervised(tmp_path, process) as supervisor, pytest.raises(PortTakenError) as refused:
        wait_until_ready(supervisor, [process])
    assert str(refused.value) == (
        f"Port {strangers_port} on {HOST}, where serving would listen, is taken. "
        "Stop what listens there, or set PMMDS_HTTP_PORT to a free port."
    )


@pytest.mark.process
def test_an_answer_of_our_own_process_is(tmp_path: Path) -> None:
    port = free_port()
    process = Process("serving", [sys.executable, *SERVE_FILES, str(port)], HOST, port, f"http://{HOST}:{port}/")
    with supervised(tmp_path, process) as supervisor:
        wait_until_ready(supervisor, [process])
        (state,) = supervisor.states()
        assert listens(state.pid, port)
    assert is_free(HOST, port)


@pytest.mark.process
def test_a_grpc_port_that_somebody_took_in_between_is_named(tmp_path: Path, strangers_port: int) -> None:
    """The demo takes other ports for this error. gRPC's usual port may also be the near end of any connection."""
    with socket.create_connection((HOST, strangers_port)) as connection:
        taken = connection.getsockname()[1]
        port = free_port()
        process = Process("serving", [sys.executable, "-c", "exit(1)"], HOST, port, f"http://{HOST}:{port}/livez")
        process = dataclasses.replace(process, grpc_port=taken)
        with supervised(tmp_path, process) as supervisor, pytest.raises(PortTakenError) as refused:
            wait_until_ready(supervisor, [process])
    assert str(refused.value) == (
        f"Port {taken} on {HOST}, where serving would listen, is taken. "
        "Stop what listens there, or set PMMDS_GRPC_PORT to a free port."
    )
