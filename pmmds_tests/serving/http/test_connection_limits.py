"""Slow clients, large or broken requests and excess connections get an error. All others are served."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvicorn
from uvicorn.config import HTTP_PROTOCOLS, WS_PROTOCOLS

from pmmds_core.contracts.contract import Contract
from pmmds_serving.http.connection_limits import GuardedProtocol
from pmmds_serving.http.predict_endpoint import PredictEndpoint
from pmmds_serving.http.predict_protocol import DirectProtocol, install
from pmmds_tests.harness.service_process import RunningService, running_service, wait_until
from pmmds_tests.harness.service_requests import PREDICT, example, refusal

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]

MAX_CONNECTIONS, SECONDS = 5, 2.0
HEAD = f"POST {PREDICT} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
WEBSOCKET = HEAD + "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n"
H2C = HEAD + 'Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 500\r\n\r\n{"features":'


@pytest.fixture(scope="module")
def strict(
    prepared: Callable[..., dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """A service with a time limit of two seconds and at most five connections."""
    home: Path = tmp_path_factory.mktemp("strict") / "home"
    limits = {"PMMDS_HTTP_MAX_CONNECTIONS": str(MAX_CONNECTIONS), "PMMDS_HTTP_REQUEST_SECONDS": str(SECONDS)}
    with running_service(prepared(home, **limits)) as service:
        service.client.close()  # its keep-alive connection would count as one of the five
        yield service


@contextmanager
def connected(service: RunningService) -> Iterator[socket.socket]:
    with socket.create_connection((service.settings.http_host, service.settings.http_port), timeout=60) as client:
        yield client


def said(client: socket.socket) -> tuple[int, bytes]:
    """Return the status and body of the last response before the connection closes."""
    received = b""
    while part := client.recv(65_536):
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


def n_received(client: socket.socket) -> int:
    """Read until the end of the connection, and return the number of bytes."""
    n_bytes = 0
    with suppress(ConnectionResetError):
        while part := client.recv(65_536):
            n_bytes += len(part)
    return n_bytes


def status_of_answer(client: socket.socket) -> int:
    """Return the status of one JSON response on a keep-alive connection."""
    received = b""
    while not received.endswith(b"}"):
        received += client.recv(65_536)
    return int(received.split(b" ")[1])


@pytest.mark.parametrize(
    "beginning",
    [
        "",
        "POST /api",
        HEAD,
        HEAD + "Content-Length: 500\r\n\r\n",
        HEAD + 'Content-Length: 500\r\n\r\n{"features":',
        WEBSOCKET,
        H2C,
    ],
    ids=["nothing", "half a line", "half a head", "no body", "half a body", "websocket", "half a body of h2c"],
)
def test_a_stalled_client_gets_408(strict: RunningService, beginning: str) -> None:
    with connected(strict) as client:
        client.sendall(beginning.encode())
        status, body = said(client)
    assert status == 408
    error = "The request was not complete after 2 seconds"
    assert json.loads(body) == refusal(error, message="The request arrived too slowly")


def test_a_client_that_sends_byte_by_byte_gets_408(strict: RunningService) -> None:
    with connected(strict) as client:
        client.settimeout(0.05)
        client.sendall((HEAD + "Content-Length: 500\r\n\r\n").encode())
        received = b""
        while not received:
            client.sendall(b" ")
            try:
                received = client.recv(100)
            except TimeoutError:
                continue
    assert received.startswith(b"HTTP/1.1 408 ")


def test_endless_headers_are_rejected(strict: RunningService) -> None:
    with connected(strict) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n")
        try:
            for _ in range(30):
                client.sendall(b"X-More: " + b"y" * 8000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass  # the request was rejected before everything was sent
        try:
            assert client.recv(100).startswith(b"HTTP/1.1 431 ")
        except ConnectionResetError:
            return  # the connection was closed while sending, which loses the response


def test_bytes_that_are_not_http_get_a_standard_error(strict: RunningService) -> None:
    with connected(strict) as client:
        client.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        status, body = said(client)
    assert status == 400
    assert json.loads(body) == refusal("Expected HTTP/1.1", message="The request is not HTTP")


def test_a_client_that_does_not_read_its_response_is_disconnected(strict: RunningService) -> None:
    wait_until(lambda: n_connections(strict) == 0)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((strict.settings.http_host, strict.settings.http_port))
        client.settimeout(60)
        client.sendall(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: here\r\n\r\n")
        received = client.recv(1000)
        n_bytes = int(received.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        wait_until(lambda: n_connections(strict) == 0)
        assert n_received(client) < n_bytes


def test_a_connection_over_the_limit_gets_503(strict: RunningService, contract: Contract) -> None:
    body = json.dumps(example(contract)).encode()
    request = HEAD.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body
    wait_until(lambda: n_connections(strict) == 0)
    with ExitStack() as stack:
        kept = []
        for _ in range(MAX_CONNECTIONS):
            kept.append(stack.enter_context(connected(strict)))
            kept[-1].sendall(request)  # all at once, because of the limit of two seconds
        for client in kept:
            assert status_of_answer(client) == 200
        with connected(strict) as another:
            status, reported = said(another)
        for client in kept:
            client.sendall(request)
            assert status_of_answer(client) == 200
    assert status == 503
    assert json.loads(reported)["detail"]["message"] == "The service has too many connections"
    wait_until(lambda: n_connections(strict) == 0)
    with connected(strict) as later:
        later.sendall(request)
        assert status_of_answer(later) == 200


def n_connections(service: RunningService) -> int:
    """Return the service's open connections. One that the client closed counts until the service notices."""
    held = [c for c in psutil.net_connections(kind="tcp") if c.pid is not None and c.status != psutil.CONN_LISTEN]
    return sum(service.settings.http_port in c.laddr for c in held)


async def _application(_scope: Any, _receive: Any, _send: Any) -> None:
    """Never responds."""


@pytest.mark.parametrize(
    ("predict", "protocol"), [(PredictEndpoint(), DirectProtocol), (None, GuardedProtocol)], ids=["fast path", "ASGI"]
)
def test_install_selects_protocol_and_limits(
    predict: PredictEndpoint | None, protocol: type[GuardedProtocol], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(HTTP_PROTOCOLS, "auto", HTTP_PROTOCOLS["auto"])
    monkeypatch.setitem(WS_PROTOCOLS, "auto", WS_PROTOCOLS["auto"])
    monkeypatch.setattr(DirectProtocol, "predict", None)
    for name in ("max_connections", "request_seconds"):
        monkeypatch.setattr(GuardedProtocol, name, getattr(GuardedProtocol, name))
    install(7, 3.0, predict)
    config = uvicorn.Config(app=_application, lifespan="off")
    config.load()
    assert config.http_protocol_class is protocol
    assert config.ws_protocol_class is None
    assert (protocol.max_connections, protocol.request_seconds) == (7, 3.0)
