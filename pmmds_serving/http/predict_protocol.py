"""Predictions answered where they arrive: in the protocol, in the callback that has the request's last byte.

A task, a scope, an event and two messages a request cost as much as the prediction itself. BentoML chooses uvicorn's
protocol by the name "auto" and offers no setting for it, so the service gives that name to this class (service.py; a
test holds it). Keep out: the answer (predict_endpoint.py), what a connection may cost (connection_limits.py).
"""

from __future__ import annotations

import time
from typing import ClassVar, cast

from uvicorn.config import HTTP_PROTOCOLS, WS_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from pmmds_serving.http.connection_limits import GuardedProtocol, OneWrite
from pmmds_serving.http.error_boundary import ErrorBoundary
from pmmds_serving.http.predict_endpoint import PREDICT_PATH, PredictEndpoint
from pmmds_serving.prediction.api_errors import ApiError
from pmmds_serving.prediction.limits import PREDICT_BYTES
from pmmds_serving.prediction.request_bodies import check_content_type

_URL = PREDICT_PATH.encode()


class DirectProtocol(GuardedProtocol):
    """Answers a plain POST of one prediction itself; uvicorn's way takes every other request.

    Plain is one whose length is told and allowed, that expects no 100 Continue, and before which no answer of the
    connection is outstanding. `predict` answers; None leaves everything to uvicorn.
    """

    predict: ClassVar[PredictEndpoint | None] = None

    _is_direct = False
    _started = 0.0
    # When the last answer of this class left; None when uvicorn's own timer watches the connection.
    _idle_since: float | None = None

    def on_message_begin(self) -> None:
        """As uvicorn's, without the scope: what is answered here needs none."""
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
        HttpToolsProtocol.on_message_begin(self)  # for its scope; the time that a client has runs already
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
        length = self._named.get(b"content-length", b"")
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
        status, content = self.predict.answer(self.headers, self._body, self._started, self._content_type_refusal())
        self._reply(status, content)

    def _content_type_refusal(self) -> ApiError | None:
        content_type = self._named.get(b"content-type", b"")
        if content_type == b"application/json":
            return None
        boundary = ErrorBoundary()
        with boundary:
            check_content_type(content_type)
        return boundary.refusal

    def _reply(self, status: int, content: bytes) -> None:
        """What uvicorn's cycle writes, at once."""
        head = b"".join([b"%b: %b\r\n" % header for header in self.server_state.default_headers])
        closing = b"connection: close\r\n" if self._closes_after else b""
        cast("OneWrite", self.transport).write_now(
            b"%bcontent-type: application/json\r\ncontent-length: %d\r\n%b\r\n%b"
            % (STATUS_LINE[status] + head, len(content), closing, content)
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
        """A request whose body is on its way is answered before the connection ends."""
        if self._is_direct:
            self._closes_after = True
        else:
            super().shutdown()


def install(max_connections: int, request_seconds: float, predict: PredictEndpoint | None = None) -> None:
    """Make every uvicorn server of this process that leaves the choice to uvicorn use this protocol.

    WebSockets are not served, whatever libraries for them are installed.
    """
    DirectProtocol.max_connections = max_connections
    DirectProtocol.request_seconds = request_seconds
    DirectProtocol.predict = predict
    WS_PROTOCOLS["auto"] = None
    HTTP_PROTOCOLS["auto"] = f"{DirectProtocol.__module__}:{DirectProtocol.__name__}"
