"""Limits the connections of one client, the size of a request, and the times for sending it and reading its response.

uvicorn has no such limits, so this module extends its HTTP protocol, which is not a public API. It is the console's
only module that uses private APIs. Not here: the size of a form (forms.py), timeouts of responses (threads.py).
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from pmmds_console.addresses import AddressLimit
from pmmds_console.problems import MEDIA_TYPE, ProblemError

# The connections that one client address may have at the same time.
MAX_CONNECTIONS_PER_ADDRESS = 64
MAX_HEAD_BYTES = 65_536
# The maximum size of a request with its head and its chunk headers. Accepted bodies are much smaller.
MAX_REQUEST_BYTES = 1_048_576
# The minimum number of bytes that a client must read from a pending response within `request_seconds`.
MIN_READ_BYTES = 16_384


class _HeadTooLargeError(Exception):
    """Raised in a callback of the parser, which then stops."""


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits. A connection that exceeds one gets an error response, if possible, and is closed.

    `request_seconds` is the maximum time from the start of the connection, or from a later request's first byte, to
    the request's last byte. uvicorn closes connections that are idle after a response. `addresses` limits the
    connections of one client address.
    """

    request_seconds: ClassVar[float] = 10.0
    addresses: ClassVar[AddressLimit] = AddressLimit(MAX_CONNECTIONS_PER_ADDRESS, (), "connections")

    # The timer of the incomplete request, or None if no request is pending.
    _deadline: asyncio.TimerHandle | None = None
    _reader_check: asyncio.TimerHandle | None = None
    # The peer's address if this connection is counted in `addresses`.
    _counted: str | None = None
    _in_head = True
    _is_head_too_large = False
    _n_bytes = 0
    # The size of the write buffer at the last check for a slow reader.
    _unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._reader_check = self.loop.call_later(self.request_seconds, self._check_reader)
        address = self.client[0] if self.client else ""
        if not self.addresses.take(address):
            self._reject(HTTPStatus.SERVICE_UNAVAILABLE, self.addresses.problem)
            return
        self._counted = address
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency:
            self._reject(HTTPStatus.SERVICE_UNAVAILABLE, "The console has too many connections. Try again later.")
            return
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        if self._reader_check is not None:
            self._reader_check.cancel()
        if self._counted is not None:
            self.addresses.give_back(self._counted)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes. Blank lines between requests count as the beginning of a request."""
        if self.transport.is_closing():
            return
        if self._in_head:
            self._start_deadline()
        self._n_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._n_bytes > MAX_HEAD_BYTES:
            self._reject_head()
        elif self._n_bytes > MAX_REQUEST_BYTES:
            self._reject(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large.")

    def send_400_response(self, msg: str) -> None:
        if self._is_head_too_large:
            self._reject_head()
        else:
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        self._start_deadline()
        self._in_head, self._n_bytes = True, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header. Trailers are ignored."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            self._is_head_too_large = True
            raise _HeadTooLargeError
        super().on_headers_complete()
        self._in_head = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._stop_deadline()
        self._in_head, self._n_bytes = True, 0

    def _start_deadline(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.request_seconds, self._end_slow_request)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end_slow_request(self) -> None:
        """Reject the incomplete request. If an earlier request is pending, wait for its response first."""
        self._deadline = None
        if self.pipeline or (self._in_head and self._is_responding()):
            self._start_deadline()
        elif not self.transport.is_closing():
            seconds = f"{self.request_seconds:g} seconds"
            self._reject(HTTPStatus.REQUEST_TIMEOUT, f"The request was not complete after {seconds}.")

    def _check_reader(self) -> None:
        """Abort the connection if its client reads the response too slowly."""
        unread = self.transport.get_write_buffer_size()
        if self._unread and unread > self._unread - MIN_READ_BYTES:
            self.transport.abort()
            return
        self._unread = unread
        self._reader_check = self.loop.call_later(self.request_seconds, self._check_reader)

    def _is_responding(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _reject_head(self) -> None:
        detail = f"The head of the request is longer than {MAX_HEAD_BYTES:,} bytes."
        self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def _reject(self, status: HTTPStatus, detail: str) -> None:
        """Close the connection, after an error response if no other response is pending on it."""
        self._stop_deadline()
        is_idle = not self._is_responding()
        if not self.pipeline and (is_idle or not (self._in_head or self.cycle.response_started)):
            body = msgspec.json.encode(ProblemError(status, "connection-limit", detail).problem)
            head = f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()
