"""Connection limits: number of connections, time and size of a request head, and time for reading a response.

uvicorn has no such limits. It also drops the body of a request that asks for an upgrade; here that request is parsed
again without the Upgrade header. Not here: accepted request heads (framing.py), handling of a request
(application.py, predict_protocol.py), body sizes (prediction/request_bodies.py).
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, cast

import httptools
import msgspec

from pmmds_serving.api_errors import ApiError
from pmmds_serving.http.framing import (
    BROKEN,
    MAX_HEADERS,
    check_framing,
    check_method,
    head_without_upgrade,
    too_many_headers,
)
from pmmds_serving.private_apis.uvicorn_protocol import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 65_536
# Maximum number of pipelined requests that wait for an earlier response on the same connection.
MAX_PIPELINED = 16
# Minimum number of bytes a client must read from a pending response within `request_seconds`.
MIN_READ_BYTES = 16_384

_HEAD_TOO_LARGE = ApiError(431, "The headers are too large", "http", [f"Expected at most {MAX_HEAD_BYTES:,} bytes"])


class _LastRequestError(Exception):
    """Raised if bytes arrive after the connection's last request; they are not read."""


class OneWrite:
    """A transport that joins all writes of one event loop iteration.

    uvicorn writes head and body of a response separately, which costs two system calls and two packets.
    Everything except `write` and `close` is delegated to the transport.
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
        """Send immediately, after all earlier writes."""
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
    """uvicorn's protocol with limits. A connection that exceeds one gets an error response and is closed.

    `max_connections`: maximum for one worker. `request_seconds`: maximum time from a request's first byte, or the
    start of the connection, to the request's last byte.
    """

    max_connections: ClassVar[int] = 512
    request_seconds: ClassVar[float] = 10.0

    # Start time of the incomplete request; None when no request is pending.
    _waiting_since: float | None = None
    _head_bytes = 0
    _in_head = True
    _is_rejected = False
    # True if the connection accepts no more requests.
    _closes_after = False
    # Head of a request that asked for an upgrade, to be parsed again; otherwise empty.
    _again = b""
    _is_reparsing = False
    # Size of the write buffer at the last check of a slow reader.
    _unread = 0
    _is_lost = False
    # Headers by name; for duplicates, the first one.
    _named: dict[bytes, bytes]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.access_log = False  # BentoML's access log is off; uvicorn would still format each line
        super().connection_made(cast("asyncio.Transport", OneWrite(transport, self.loop)))
        if len(self.connections) > self.max_connections:
            errors = [f"{self.max_connections:,} connections are open. Use fewer connections and reuse them"]
            self._reject(ApiError(503, "The service has too many connections", "connections", errors))
            return
        self._waiting_since = self.loop.time()
        self.loop.call_later(self.request_seconds, self._check_time)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_rejected:
            return
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._end_reading(error.__context__)
            return
        if self._waiting_since is not None:  # blank lines between requests do not keep an idle connection open
            self._unset_keepalive_if_required()
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._reject(_HEAD_TOO_LARGE)

    def _feed(self, data: bytes) -> None:
        """Parse the bytes. If a request asks for an upgrade, parse its head again without the Upgrade header."""
        rest: bytes | memoryview = data
        while (end_of_head := self._parsed(rest)) is not None:
            self._parse_again()
            rest = memoryview(rest)[end_of_head:]

    def _parsed(self, data: bytes | memoryview) -> int | None:
        """Return the offset after the head of a request that asks for an upgrade; None if all bytes were parsed."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return int(upgrade.args[0])
        return None

    def _parse_again(self) -> None:
        """Continue with a new parser, because httptools assumes that an upgrade request has no body."""
        head, self._again = self._again, b""
        assert head
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._is_reparsing = True
        self.parser.feed_data(head)
        self._is_reparsing = False

    def _end_reading(self, cause: BaseException | None) -> None:
        if isinstance(cause, _LastRequestError):
            self._is_rejected = True
        else:
            self._reject(cause if isinstance(cause, ApiError) else BROKEN)

    def on_message_begin(self) -> None:
        self._await_message()
        super().on_message_begin()

    def _await_message(self) -> None:
        """Called at a request's first byte."""
        if self._closes_after:
            raise _LastRequestError
        self._unset_keepalive_if_required()
        if not self._is_reparsing:
            self._waiting_since = self.loop.time()
            self._in_head, self._head_bytes = True, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header; trailers are ignored."""
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
        """Called after a request's head has passed all checks."""
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ApiError(503, "The connection has too many pending requests", "connections")
        HttpToolsProtocol.on_headers_complete(self)

    def on_message_complete(self) -> None:
        if self._again:
            return
        self._waiting_since = None
        super().on_message_complete()

    def _check_time(self) -> None:
        """Close a connection that is too slow or idle. One timer per connection costs less than one per request."""
        if self._is_lost:
            return
        if self.transport.is_closing() or self.flow.write_paused:
            self._check_reader()
            return
        self._unread = 0
        since = self._waiting_since
        left = self._seconds_idle_left() if since is None else since + self.request_seconds - self.loop.time()
        if left <= 0 and since is None:
            self.transport.close()
        elif left <= 0:
            errors = [f"The request was not complete after {self.request_seconds:g} seconds"]
            self._reject(ApiError(408, "The request arrived too slowly", "slow_client", errors))
        self.loop.call_later(left if left > 0 else self.request_seconds, self._check_time)

    def _check_reader(self) -> None:
        """Abort a connection whose client reads its response too slowly."""
        unread = self.transport.get_write_buffer_size()
        if self._unread and unread > self._unread - MIN_READ_BYTES:
            self.transport.abort()
            return
        self._unread = max(unread, 1)
        self.loop.call_later(self.request_seconds, self._check_time)

    def _seconds_idle_left(self) -> float:
        """Seconds until the idle connection is closed; uvicorn has its own timer after requests that it handled."""
        return self.request_seconds

    def _reject(self, error: ApiError) -> None:
        """Respond with the error and close the connection. If responses are pending, send them instead of the error."""
        self._is_rejected = True
        self._waiting_since = None
        cycle: RequestResponseCycle | None = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        if cycle is not None and is_answering and self._in_head:  # `cycle` belongs to an earlier request
            cycle.keep_alive = False
            return
        if not self.pipeline and (cycle is None or not is_answering or not cycle.response_started):
            content = msgspec.json.encode(error.body)
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(content)
            self.transport.write(STATUS_LINE[error.status] + head + content)
        self.transport.close()
