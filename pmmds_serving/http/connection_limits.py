"""What a connection may cost: how many there are, how long and how large a request is, how often is written.

uvicorn waits for a request for ever and reads headers of any length. It also loses the body of a request that asks for
an upgrade; here such a request is read again without that header. Keep out: which heads are taken (framing.py),
what a request asks (application.py, predict_protocol.py) and the size of its body (prediction/request_bodies.py).
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, cast

import httptools
import msgspec

from pmmds_serving.http.framing import (
    BROKEN,
    MAX_HEADERS,
    check_framing,
    check_method,
    head_without_upgrade,
    too_many_headers,
)
from pmmds_serving.prediction.api_errors import ApiError
from pmmds_serving.private_apis.uvicorn_protocol import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 65_536
# Requests of one connection that wait behind another one's answer.
MAX_PIPELINED = 16
# What a client must take of an answer in `request_seconds`.
MIN_READ_BYTES = 16_384

_HEAD = ApiError(431, "The headers are too large", "http", [f"Expected at most {MAX_HEAD_BYTES:,} bytes"])


class _LastRequestError(Exception):
    """What follows a request that ends the connection is not read."""


class OneWrite:
    """A transport that sends what is written in one turn of the event loop together.

    uvicorn writes a response's head and its body each for itself: two system calls, and two packets to wait for.
    Everything but `write` and `close` is the transport's own.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)

    def write_now(self, data: bytes) -> None:
        """What was written before goes first."""
        self._send()
        self._transport.write(data)

    def close(self) -> None:
        self._send()
        self._transport.close()

    def _send(self) -> None:
        if self._parts:
            parts, self._parts = self._parts, []
            self._transport.write(b"".join(parts))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits; a connection over one is told so and closed.

    `max_connections`: of one worker. `request_seconds`: from a request's first byte, or the connection's beginning,
    to the request's last byte.
    """

    max_connections: ClassVar[int] = 512
    request_seconds: ClassVar[float] = 10.0

    # When the request that is not there whole began; None while none is awaited.
    _waiting_since: float | None = None
    _head_bytes = 0
    _in_head = True
    _is_refused = False
    # The request whose head was read last is the connection's last.
    _closes_after = False
    # The head of a request that asked for an upgrade, to be read again; empty otherwise.
    _again = b""
    _is_rereading = False
    # Bytes that a slow reader had not taken at the last look.
    _unread = 0
    _is_lost = False
    # The headers by name, of two with one name the first.
    _named: dict[bytes, bytes]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.access_log = False  # BentoML's is off; uvicorn would make the line all the same, for nobody
        super().connection_made(cast("asyncio.Transport", OneWrite(transport, self.loop)))
        if len(self.connections) > self.max_connections:
            errors = [f"{self.max_connections:,} connections are open. Use fewer, and keep them"]
            self._refuse(ApiError(503, "The service has too many connections", "connections", errors))
            return
        self._waiting_since = self.loop.time()
        self.loop.call_later(self.request_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._end_reading(error.__context__)
            return
        if self._waiting_since is not None:  # empty lines between requests keep no connection open
            self._unset_keepalive_if_required()
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_HEAD)

    def _feed(self, data: bytes) -> None:
        """Parse; a head that asks for an upgrade once more without, and what follows it as its body says."""
        rest: bytes | memoryview = data
        while (end_of_head := self._parsed(rest)) is not None:
            self._read_again()
            rest = memoryview(rest)[end_of_head:]

    def _parsed(self, data: bytes | memoryview) -> int | None:
        """Where the head of a request ends that asks for an upgrade; None when all was parsed."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return int(upgrade.args[0])
        return None

    def _read_again(self) -> None:
        """httptools takes such a request to have no body. Its state is of no use then, so another parser goes on."""
        head, self._again = self._again, b""
        assert head
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._is_rereading = True
        self.parser.feed_data(head)
        self._is_rereading = False

    def _end_reading(self, cause: BaseException | None) -> None:
        if isinstance(cause, _LastRequestError):
            self._is_refused = True
        else:
            self._refuse(cause if isinstance(cause, ApiError) else BROKEN)

    def on_message_begin(self) -> None:
        self._await_message()
        super().on_message_begin()

    def _await_message(self) -> None:
        """A request's first byte is there."""
        if self._closes_after:
            raise _LastRequestError
        self._unset_keepalive_if_required()
        if not self._is_rereading:
            self._waiting_since = self.loop.time()
            self._in_head, self._head_bytes = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """A trailer is no header."""
        if not self._in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))
        if len(self.headers) > MAX_HEADERS:
            raise too_many_headers()

    def on_headers_complete(self) -> None:
        parser, headers = self.parser, self.headers
        version = parser.get_http_version()
        if parser.should_upgrade():
            method = parser.get_method()
            check_method(method)
            self._again = head_without_upgrade(method, self.url, version, headers)
            return
        self._named = dict(reversed(headers))
        check_framing(version, headers, self._named)
        self._closes_after = version == "1.0" or not parser.should_keep_alive()
        self._on_head(version)
        self._in_head = False

    def _on_head(self, version: str) -> None:
        """A request's head is there, and says where its body ends."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ApiError(503, "Too many requests of the connection are unanswered", "connections")
        HttpToolsProtocol.on_headers_complete(self)

    def on_message_complete(self) -> None:
        if self._again:
            return
        self._waiting_since = None
        super().on_message_complete()

    def _look(self) -> None:
        """One timer a connection that looks now and then costs less than one a request."""
        if self._is_lost:
            return
        if self.transport.is_closing() or self.flow.write_paused:
            self._look_at_reader()
            return
        self._unread = 0
        since = self._waiting_since
        left = self._seconds_idle_left() if since is None else since + self.request_seconds - self.loop.time()
        if left <= 0 and since is None:
            self.transport.close()
        elif left <= 0:
            errors = [f"The request was not there whole after {self.request_seconds:g} seconds"]
            self._refuse(ApiError(408, "The request came too slowly", "slow_client", errors))
        self.loop.call_later(left if left > 0 else self.request_seconds, self._look)

    def _look_at_reader(self) -> None:
        """A client that does not take its answer holds its connection and the answer's bytes: not for long."""
        unread = self.transport.get_write_buffer_size()
        if self._unread and unread > self._unread - MIN_READ_BYTES:
            self.transport.abort()
            return
        self._unread = max(unread, 1)
        self.loop.call_later(self.request_seconds, self._look)

    def _seconds_idle_left(self) -> float:
        """How long the connection may stay as it is; uvicorn has a timer of its own for requests that it answered."""
        return self.request_seconds

    def _refuse(self, refusal: ApiError) -> None:
        """Say why and close. Answers that are on their way come first, and then nothing is said."""
        self._is_refused = True
        self._waiting_since = None
        cycle: RequestResponseCycle | None = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        if cycle is not None and is_answering and self._in_head:  # it belongs to a request before
            cycle.keep_alive = False
            return
        if not self.pipeline and (cycle is None or not is_answering or not cycle.response_started):
            content = msgspec.json.encode(refusal.body)
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(content)
            self.transport.write(STATUS_LINE[refusal.status] + head + content)
        self.transport.close()
