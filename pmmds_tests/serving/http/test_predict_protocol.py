"""Split, pipelined and closing requests over raw sockets are answered, with and without the fast path."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from pmmds_core.contracts.contract import Contract
from pmmds_serving.http.predict_endpoint import PredictEndpoint
from pmmds_serving.http.predict_protocol import DirectProtocol
from pmmds_tests.harness.service_process import RunningService
from pmmds_tests.harness.service_requests import PREDICT, example

process = [pytest.mark.process, pytest.mark.xdist_group("service")]
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n"


@pytest.fixture
def service(each_service: RunningService) -> RunningService:
    """Every test runs with the fast path on and off."""
    return each_service


def request_bytes(contract: Contract, *headers: str, version: str = "1.1") -> bytes:
    body = json.dumps(example(contract)).encode()
    lines = [f"POST {PREDICT} HTTP/{version}", "Host: here", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


@contextmanager
def connected(service: RunningService) -> Iterator[socket.socket]:
    with socket.create_connection((service.settings.http_host, service.settings.http_port), timeout=60) as client:
        yield client


def answers(client: socket.socket, n_answers: int) -> list[tuple[int, dict[str, Any]]]:
    """Return status and body of the next responses."""
    stream = client.makefile("rb")
    found = []
    for _ in range(n_answers):
        status = int(stream.readline().split()[1])
        length = 0
        while (line := stream.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        found.append((status, json.loads(stream.read(length)) if length else {}))
    return found


class TestOverASocket:
    pytestmark = process

    def test_a_request_split_at_any_byte_is_answered(self, service: RunningService, contract: Contract) -> None:
        whole = request_bytes(contract)
        with connected(service) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for cut in range(1, len(whole), 41):
                client.sendall(whole[:cut])
                client.sendall(whole[cut:])
                assert answers(client, 1)[0][0] == 200, f"cut at byte {cut}"

    def test_pipelined_requests_are_answered_in_order(self, service: RunningService, contract: Contract) -> None:
        ids = [f"pipelined-{i}" for i in range(4)]
        predicts = [request_bytes(contract, f"X-Request-ID: {request_id}") for request_id in ids]
        with connected(service) as client:
            client.sendall(predicts[0] + predicts[1] + LIVEZ + predicts[2] + LIVEZ + predicts[3])
            found = [body for _, body in answers(client, 6)]
        assert [body.get("request_id") or body.get("status") for body in found] == [
            *ids[:2],
            "alive",
            ids[2],
            "alive",
            ids[3],
        ]

    def test_a_chunked_body_is_answered(self, service: RunningService, contract: Contract) -> None:
        body = json.dumps(example(contract)).encode()
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked"
        chunks = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (50, body[:50], len(body) - 50, body[50:])
        with connected(service) as client:
            client.sendall(head.encode() + b"\r\n\r\n" + chunks)
            assert answers(client, 1)[0][0] == 200

    def test_expect_100_continue_is_answered(self, service: RunningService, contract: Contract) -> None:
        whole = request_bytes(contract, "Expect: 100-continue")
        head, _, body = whole.partition(b"\r\n\r\n")
        with connected(service) as client:
            client.sendall(head + b"\r\n\r\n")
            assert answers(client, 1) == [(100, {})]
            client.sendall(body)
            assert answers(client, 1)[0][0] == 200

    @pytest.mark.parametrize("upgrade", ["h2c", "websocket", "made-up"])
    def test_an_upgrade_request_with_a_late_body_is_answered(
        self, upgrade: str, service: RunningService, contract: Contract
    ) -> None:
        whole = request_bytes(contract, "Connection: Upgrade", f"Upgrade: {upgrade}")
        head, _, body = whole.partition(b"\r\n\r\n")
        with connected(service) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.sendall(head + b"\r\n\r\n")
            client.settimeout(0.2)
            with pytest.raises(TimeoutError):  # there is no response until the body is complete
                client.recv(1)
            client.settimeout(20)
            client.sendall(body)
            assert answers(client, 1)[0][0] == 200
            client.sendall(LIVEZ)
            assert answers(client, 1) == [(200, {"status": "alive"})]

    @pytest.mark.parametrize(("header", "version"), [("Connection: close", "1.1"), ("X-Nothing: here", "1.0")])
    def test_a_connection_to_be_closed_ends_after_its_response(
        self, header: str, version: str, service: RunningService, contract: Contract
    ) -> None:
        with connected(service) as client:
            client.sendall(request_bytes(contract, header, version=version))
            said = client.makefile("rb").read()
        assert re.match(rb"HTTP/1\.1 200 OK\r\n", said)
        assert b"\r\nconnection: close\r\n" in said.partition(b"\r\n\r\n")[0].lower() + b"\r\n"


class _Transport:
    """A transport that records the written bytes."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default


class _Loop:
    """An event loop with a clock that the test advances."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Any]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, act: Any) -> None:
        self.timers.append((self.now + seconds, act))

    def move(self, seconds: float) -> None:
        self.now += seconds
        due, self.timers = self.timers, []
        for at, act in due:
            if at <= self.now:
                act()
            else:
                self.timers.append((at, act))


class _Predict(PredictEndpoint):
    """A predict function that responds without a worker."""

    def _answer(self, *_: Any) -> tuple[int, bytes]:
        return 200, b"{}"


async def _no_application(_scope: Any, _receive: Any, _send: Any) -> None:
    raise AssertionError("uvicorn must not handle this request")


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> tuple[DirectProtocol, _Transport, _Loop]:
    monkeypatch.setattr(DirectProtocol, "predict", _Predict())
    config = uvicorn.Config(app=_no_application, lifespan="off", timeout_keep_alive=5)
    config.load()
    loop: Any = _Loop()
    transport: Any = _Transport()
    protocol = DirectProtocol(config, ServerState(), {}, loop)
    protocol.connection_made(transport)
    return protocol, transport, loop


def test_an_idle_connection_is_closed_after_the_keep_alive_time(
    connection: tuple[DirectProtocol, _Transport, _Loop], contract: Contract
) -> None:
    protocol, transport, loop = connection
    for _ in range(8):  # a request every four seconds, which is less than the keep-alive time of five
        protocol.data_received(request_bytes(contract))
        loop.move(4)
        assert not transport.is_closed
    loop.move(1.5)
    assert transport.is_closed
    assert transport.written.count(b"HTTP/1.1 200 OK") == 8


def test_a_request_in_progress_at_shutdown_is_answered(
    connection: tuple[DirectProtocol, _Transport, _Loop], contract: Contract
) -> None:
    protocol, transport, _ = connection
    whole = request_bytes(contract)
    protocol.data_received(whole[:-20])
    protocol.shutdown()
    assert not transport.is_closed
    protocol.data_received(whole[-20:])
    assert transport.written.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in transport.written
    assert transport.is_closed
