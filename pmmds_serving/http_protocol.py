"""What a connection may cost: how many there are, how long and how large a request is, how often is written.

uvicorn waits for a request for ever and reads headers of any length. Keep out: what a request asks (application.py,
direct_protocol.py) and the size of its body (json_bodies.py).
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from pmmds_serving.refusals import RefusalError

MAX_HEAD_BYTES = 65_536

_BROKEN = RefusalError(400, "The request is not HTTP", "http", ["Expected HTTP/1.1"])
_HEAD = RefusalError(431, "The headers are too large", "http", [f"Expected at most {MAX_HEAD_BYTES:,} bytes"])


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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.access_log = False  # BentoML's is off; uvicorn would make the line all the same, for nobody
        super().connection_made(cast("asyncio.Transport", OneWrite(transport, self.loop)))
        if len(self.connections) > self.max_connections:
            errors = [f"{self.max_connections:,} connections are open. Use fewer, and keep them"]
            self._refuse(RefusalError(503, "The service has too many connections", "connections", errors))
            return
        self._waiting_since = self.loop.time()
        self.loop.call_later(self.request_seconds, self._look)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_HEAD)

    def on_message_begin(self) -> None:
        self._await_message()
        super().on_message_begin()

    def _await_message(self) -> None:
        """A request's first byte is there."""
        self._waiting_since = self.loop.time()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._waiting_since = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(_BROKEN)

    def _look(self) -> None:
        """One timer a connection that looks now and then costs less than one a request."""
        if self.transport.is_closing():
            return
        since = self._waiting_since
        left = self._seconds_idle_left() if since is None else since + self.request_seconds - self.loop.time()
        if left <= 0 and since is None:
            self.transport.close()
        elif left <= 0:
            errors = [f"The request was not there whole after {self.request_seconds:g} seconds"]
            self._refuse(RefusalError(408, "The request came too slowly", "slow_client", errors))
        else:
            self.loop.call_later(left, self._look)

    def _seconds_idle_left(self) -> float:
        """How long the connection may stay as it is; uvicorn has a timer of its own for requests that it answered."""
        return self.request_seconds

    def _refuse(self, refusal: RefusalError) -> None:
        """Say why and close, unless an answer is on its way already."""
        self._is_refused = True
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or not cycle.response_started or cycle.response_complete:
            content = msgspec.json.encode(refusal.body)
            head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(content)
            self.transport.write(STATUS_LINE[refusal.status] + head + content)
        self.transport.close()
