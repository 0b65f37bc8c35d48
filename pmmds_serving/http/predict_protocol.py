"""Prediction fast path: predicts inside uvicorn's protocol as soon as the request is complete.

ASGI's task, scope, event and two messages per request cost as much as the prediction itself.
PMMDS_HTTP_FAST_PATH=off disables it. Not here: the response (predict_endpoint.py), limits of a connection
(connection_limits.py), selecting the protocol (private_apis/uvicorn_protocol.py).
"""

from __future__ import annotations

import time
from typing import ClassVar, cast

from pmmds_serving.api_errors import ApiError
from pmmds_serving.http.connection_limits import GuardedProtocol, OneWrite
from pmmds_serving.http.cross_origin import VARY
from pmmds_serving.http.error_boundary import ErrorBoundary
from pmmds_serving.http.predict_endpoint import PREDICT_PATH, PredictEndpoint
from pmmds_serving.prediction.limits import PREDICT_BYTES
from pmmds_serving.prediction.request_bodies import check_content_type
from pmmds_serving.private_apis.uvicorn_protocol import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
    select_protocol,
)

_URL = PREDICT_PATH.encode()


class DirectProtocol(GuardedProtocol):
    """Handles plain single predictions and passes every other request to uvicorn.

    A request is plain if it has an allowed Content-Length, is neither compressed nor from another origin while CORS is
    enabled, does not expect 100 Continue, and no earlier response of the connection is pending. `predict` creates the
    response; if it is None, everything is passed to uvicorn.
    """

    predict: ClassVar[PredictEndpoint | None] = None
    # The header line of responses that depend on the request's Origin; empty while CORS is off.
    varies: ClassVar[bytes] = b""

    _is_direct = False
    _started = 0.0
    # Time of the last response sent by this class; None while uvicorn's keep-alive timer is in charge.
    _idle_since: float | None = None

    def on_message_begin(self) -> None:
        """Do the same as uvicorn's method, but without creating a scope, which the fast path does not need."""
        self._await_message()
        self._idle_since = None
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def _on_head(self, version: str) -> None:
        if self.url == _URL and self._is_plain(version):
            self._is_direct, self._body = True, b""
            self._started = time.perf_counter()
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        HttpToolsProtocol.on_message_begin(self)  # creates the scope; the request timer is already running
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super()._on_head(version)

    def _is_plain(self, version: str) -> bool:
        if self.predict is None or version != "1.1" or self.parser.get_method() != b"POST":
            return False
        if self.expect_100_continue or self.flow.write_paused:
            return False
        cycle: RequestResponseCycle | None = self.cycle
        if self.transport.is_closing() or (cycle is not None and not cycle.response_complete):
            return False
        named = self._named
        if b"content-encoding" in named or (self.varies and b"origin" in named):
            return False
        length = named.get(b"content-length", b"")
        return length.isdigit() and int(length) <= PREDICT_BYTES

    def on_body(self, body: bytes) -> None:
        if self._is_direct:
            self._body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_direct:
            super().on_message_complete()
            return
        self._waiting_since = None
        self._is_direct = False
        assert self.predict is not None
        status, content = self.predict.answer(self.headers, self._body, self._started, self._content_type_error())
        self._reply(status, content)

    def _content_type_error(self) -> ApiError | None:
        content_type = self._named.get(b"content-type", b"")
        if content_type == b"application/json":
            return None
        boundary = ErrorBoundary()
        with boundary:
            check_content_type(content_type)
        return boundary.error

    def _reply(self, status: int, content: bytes) -> None:
        """Write the same response as uvicorn's cycle, in one piece."""
        head = b"".join([b"%b: %b\r\n" % header for header in self.server_state.default_headers])
        closing = b"connection: close\r\n" if self._closes_after else b""
        cast("OneWrite", self.transport).write_now(
            b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%b%b\r\n%b"
            % (STATUS_LINE[status] + head, len(content), self.varies, closing, content)
        )
        self.server_state.total_requests += 1
        if self._closes_after:
            self.transport.close()
        self._idle_since = self.loop.time()

    def _seconds_idle_left(self) -> float:
        if self._idle_since is None:
            return super()._seconds_idle_left()
        return self._idle_since + self.timeout_keep_alive - self.loop.time()

    def shutdown(self) -> None:
        """At shutdown, respond to a request whose body is still arriving, and then close the connection."""
        if self._is_direct:
            self._closes_after = True
        else:
            super().shutdown()


def install(
    max_connections: int, request_seconds: float, predict: PredictEndpoint | None = None, *, has_cors: bool = False
) -> None:
    """Make uvicorn use these limits and, with `predict`, the fast path.

    Args:
        max_connections: maximum number of open connections in this process.
        request_seconds: how long a client may take to send a request.
        predict: the endpoint; None disables the fast path, so that predictions go through ASGI like other requests.
        has_cors: True sends requests that have an Origin through ASGI, where http/cross_origin.py handles them.
    """
    GuardedProtocol.max_connections = max_connections
    GuardedProtocol.request_seconds = request_seconds
    DirectProtocol.predict = predict
    DirectProtocol.varies = b"%b: %b\r\n" % VARY if has_cors else b""
    select_protocol(GuardedProtocol if predict is None else DirectProtocol)
