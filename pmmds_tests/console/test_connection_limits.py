"""Idle connections, slow requests and large heads do not block a real console for other clients."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from pmmds_console.__main__ import MAX_CONNECTIONS
from pmmds_console.connection_limits import MAX_HEAD_BYTES
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console
from pmmds_tests.harness.service_process import wait_until

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("console limits")]
SECONDS = 2.0
HEAD = "GET /livez HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console with a short time limit."""
    home: Path = tmp_path_factory.mktemp("limits") / "home"
    # The loopback address is trusted, so that the tests may open as many connections as all clients together.
    given = {"PMMDS_CONSOLE_REQUEST_SECONDS": str(SECONDS), "PMMDS_CONSOLE_TRUSTED_PROXIES": "127.0.0.1"}
    with running_console(console_environment(str(home), **given)) as running:
        yield running


def connect(console: RunningConsole) -> socket.socket:
    return socket.create_connection((console.settings.console_host, console.settings.console_port), timeout=60)


def said(client: socket.socket) -> str:
    """Everything that the console sends before it closes the connection."""
    received = b""
    while part := client.recv(65_536):
        received += part
    return received.decode()


def status_of_livez(console: RunningConsole) -> int:
    try:
        return httpx.get(f"{console.url}/livez", timeout=60, trust_env=False).status_code
    except httpx.TransportError:
        return 0


def test_idle_connections_do_not_block_the_console(console: RunningConsole) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2_048)), hard))
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(console)) for _ in range(MAX_CONNECTIONS)]
        wait_until(lambda: status_of_livez(console) == 200)
        assert " 408 " in said(idle[0])


@pytest.mark.parametrize(
    "beginning",
    [
        "",
        "\r\n",
        "GET /li",
        HEAD,
        "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nname",
    ],
    ids=["nothing", "a blank line", "half a line", "half a head", "half a body"],
)
def test_a_stalled_request_is_ended(console: RunningConsole, beginning: str) -> None:
    with connect(console) as client:
        client.sendall(beginning.encode())
        assert " 408 " in said(client)


def test_blank_lines_do_not_keep_an_idle_connection_open(console: RunningConsole) -> None:
    with connect(console) as client:
        client.sendall(f"{HEAD}\r\n".encode())
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")
        client.sendall(b"\r\n")
        assert " 408 " in said(client)


@pytest.mark.parametrize("n_bytes", [MAX_HEAD_BYTES, 1_000_000])
def test_a_long_header_is_refused(console: RunningConsole, n_bytes: int) -> None:
    with connect(console) as client:
        try:
            client.sendall(f"{HEAD}X-Long: {'x' * n_bytes}\r\n\r\n".encode())
            answer = said(client)
        except ConnectionError:  # The console closed the connection before it had read everything.
            answer = ""
    assert not answer or " 431 " in answer.partition("\r\n")[0]
    assert status_of_livez(console) == 200


def test_an_endless_header_uses_no_memory(console: RunningConsole) -> None:
    process = psutil.Process(console.process.pid)
    before = process.memory_info().rss
    with connect(console) as client, pytest.raises(ConnectionError):
        client.sendall(f"{HEAD}X-Long: ".encode() + b"x" * 60_000_000)
    assert process.memory_info().rss - before < 20_000_000


def test_a_request_below_the_limits_is_answered(console: RunningConsole) -> None:
    with connect(console) as client:
        client.sendall(f"{HEAD}X-Long: {'x' * 60_000}\r\n\r\n{HEAD}Connection: close\r\n\r\n".encode())
        assert said(client).count("HTTP/1.1 200 OK") == 2
