"""A byte stream is parsed in the same way on both paths, with any Upgrade header and split at any byte."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from pmmds_serving.http.connection_limits import MAX_PIPELINED, GuardedProtocol
from pmmds_serving.http.framing import MAX_HEADERS
from pmmds_serving.http.predict_endpoint import PredictEndpoint
from pmmds_serving.http.predict_protocol import DirectProtocol
from pmmds_tests.harness.raw_requests import GET, STREAMS, UPGRADES, Stream, asking_for, post, sized

# Event loop iterations until all callbacks have run. A pipelined request takes two.
TURNS = 8


class Transport:
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

    def pause_reading(self) -> None:
        """Do nothing, because the test sends its bytes anyway."""

    resume_reading = pause_reading

    def get_extra_info(self, _name: str, default: Any = None) -> Any:
        return default


@dataclass
class Seen:
    """The requests and responses of a connection."""

    requests: list[tuple[str, list[tuple[bytes, bytes]], bytes]] = field(default_factory=list)
    written: bytes = b""
    is_closed: bool = False

    @property
    def statuses(self) -> tuple[int, ...]:
        return tuple(int(status) for status in re.findall(rb"HTTP/1\.1 (\d\d\d) ", self.written))

    @property
    def bodies(self) -> tuple[bytes, ...]:
        return tuple(body for _, _, body in self.requests)

    def add(self, path: str, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        asked = {b"upgrade", b"connection"}
        self.requests.append((path, [(name, value) for name, value in headers if name not in asked], body))


class Predict(PredictEndpoint):
    """Records its requests."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen

    def _answer(self, headers: Any, body: bytes, *_: Any) -> tuple[int, bytes]:
        self._seen.add("/api/v1/predict", headers, body)
        return 200, b"{}"


async def _nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """Placeholder that is replaced for each connection."""


CONFIG = uvicorn.Config(app=_nothing, lifespan="off", ws="none")
CONFIG.load()


def application(seen: Seen) -> Any:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body, more = body + message["body"], message["more_body"]
        seen.add(scope["path"], scope["headers"], body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    return echo


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DirectProtocol, "predict", None)


async def answered(*pieces: bytes, protocol_class: type[GuardedProtocol] = DirectProtocol) -> Seen:
    """Return the requests and responses of a connection that receives these pieces."""
    seen = Seen()
    protocol, transport = connection(seen, protocol_class)
    for piece in pieces:
        if not transport.is_closed:
            protocol.data_received(piece)
        await settled()
    seen.written, seen.is_closed = transport.written, transport.is_closed
    protocol.connection_lost(None)
    await settled()
    return seen


def connection(seen: Seen, protocol_class: type[GuardedProtocol] = DirectProtocol) -> tuple[GuardedProtocol, Transport]:
    """Open a connection that records its requests in `seen`."""
    transport: Any = Transport()
    protocol = protocol_class(CONFIG, ServerState(), {}, asyncio.get_running_loop())
    protocol.app = application(seen)
    DirectProtocol.predict = Predict(seen)
    protocol.connection_made(transport)
    return protocol, transport


async def settled() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


def same(found: Seen, expected: Seen, stream: Stream) -> bool:
    """Assert that requests and statuses are equal. Response headers may differ between the two paths."""
    if found.requests != expected.requests:
        return False
    if stream.is_refused_behind_answers:
        n_answers = len(stream.bodies)
        return found.statuses[:n_answers] == expected.statuses[:n_answers]
    return (found.statuses, found.is_closed) == (expected.statuses, expected.is_closed)


@pytest.mark.parametrize("protocol", [DirectProtocol, GuardedProtocol], ids=["fast path", "ASGI"])
@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_a_stream_is_parsed_equally_on_both_paths(stream: Stream, protocol: type[GuardedProtocol]) -> None:
    seen = asyncio.run(answered(stream.data, protocol_class=protocol))
    assert seen.bodies == stream.bodies
    if not stream.is_refused_behind_answers:
        assert seen.statuses == stream.statuses
    assert seen.is_closed == (stream.statuses[-1] >= 400 or b"close" in stream.data or b"HTTP/1.0" in stream.data)


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_upgrades_and_splits_do_not_change_the_responses(stream: Stream) -> None:
    async def compare() -> None:
        plain = await answered(stream.data)
        for data in (stream.data, *(asking_for(stream.data, upgrade) for upgrade in UPGRADES)):
            assert same(await answered(data), plain, stream), data[:200]
            for cut in range(1, len(data)):
                assert same(await answered(data[:cut], data[cut:]), plain, stream), (cut, data[:200])

    asyncio.run(compare())


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_upgrades_are_ignored_in_pipelined_and_bytewise_requests(upgrade: bytes) -> None:
    asking = [asking_for(sized(b"%d" % i), upgrade) for i in range(3)] + [asking_for(GET, upgrade)]
    data = b"".join(asking)

    async def both() -> tuple[Seen, Seen]:
        return await answered(data), await answered(*(data[i : i + 1] for i in range(len(data))))

    at_once, in_bytes = asyncio.run(both())
    assert at_once.bodies == (b"0", b"1", b"2", b"")
    assert at_once.requests == in_bytes.requests
    assert at_once.statuses == in_bytes.statuses == (200,) * 4


def test_a_trailer_is_not_treated_as_a_header() -> None:
    found = asyncio.run(answered(post(b"Transfer-Encoding: chunked", body=b"1\r\nx\r\n0\r\nAuthorization: me\r\n\r\n")))
    ((_, headers, body),) = found.requests
    assert body == b"x"
    assert [name for name, _ in headers] == [b"host", b"transfer-encoding"]


def test_more_than_max_headers_are_rejected() -> None:
    def status(n_headers: int) -> tuple[int, ...]:
        others = [b"X-%d: a" % i for i in range(n_headers - 1)]
        return asyncio.run(answered(post(*others))).statuses

    assert status(MAX_HEADERS) == (200,)
    assert status(MAX_HEADERS + 1) == (431,)


def test_pipelined_requests_of_a_connection_are_limited() -> None:
    async def flood() -> tuple[Seen, bool]:
        seen = Seen()
        protocol, transport = connection(seen)
        protocol.data_received(GET * 5000)
        for _ in range(2 * MAX_PIPELINED):
            await settled()
        seen.written = transport.written
        return seen, transport.is_closed

    seen, is_closed = asyncio.run(flood())
    assert len(seen.requests) == MAX_PIPELINED + 1
    assert seen.statuses == (200,) * (MAX_PIPELINED + 1)
    assert is_closed


def test_empty_lines_do_not_keep_a_connection_open() -> None:
    async def timer_is_set() -> bool:
        protocol, _ = connection(Seen())
        protocol.data_received(GET)
        await settled()
        protocol.data_received(b"\r\n\r\n")
        is_set = protocol.timeout_keep_alive_task is not None
        protocol.connection_lost(None)
        return is_set

    assert asyncio.run(timer_is_set())
