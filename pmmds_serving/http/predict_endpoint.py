"""POST /api/v1/predict without a web framework; all other requests are passed on.

A router and the objects for request and response would cost more than decoding, scoring and recording a row together.
Not here: predicting (prediction/predictor.py), all other endpoints (application.py).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from starlette.datastructures import State

from pmmds_serving.api_errors import ApiError
from pmmds_serving.http.error_boundary import ErrorBoundary, count_error
from pmmds_serving.http.responses import encoded_headers
from pmmds_serving.prediction.limits import PREDICT_BYTES
from pmmds_serving.prediction.predictor import check_request_id
from pmmds_serving.prediction.request_bodies import Headers, Receive, read_body
from pmmds_serving.worker import Worker

PREDICT_PATH = "/api/v1/predict"

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_JSON = (b"content-type", b"application/json")
_encode = msgspec.json.Encoder().encode


class PredictEndpoint:
    """POST /api/v1/predict: `answer`, which the fast path calls, and an ASGI application that calls it.

    `state` is the application's state, which contains the worker once it is running. Tracing wraps `answer`.
    """

    def __init__(self) -> None:
        self.state = State()
        self.answer: Callable[[Headers, bytes, float, ApiError | None], tuple[int, bytes]] = self._answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers = scope["headers"]
        boundary, body = ErrorBoundary(), b""
        with boundary:
            body = await read_body(headers, receive, PREDICT_BYTES)
        status, content = self.answer(headers, body, started, boundary.error)
        length = (b"content-length", str(len(content)).encode())
        named = [] if boundary.error is None else encoded_headers(boundary.error)
        await send({"type": "http.response.start", "status": status, "headers": [_JSON, length, *named]})
        await send({"type": "http.response.body", "body": content})

    def _answer(
        self, headers: Headers, body: bytes, started: float, error: ApiError | None = None
    ) -> tuple[int, bytes]:
        """Return status and JSON body for a complete request; count and time the response.

        Args:
            headers: lower-case names and values.
            body: the complete body.
            started: time.perf_counter() when the request arrived.
            error: an error that was found before this call, if any.
        """
        worker: Worker = self.state.worker
        status, content = 200, b""
        if error is None:
            boundary = ErrorBoundary()
            with boundary:
                content = _encode(worker.predictor.predict(body, _request_id(headers), started))
            error = boundary.error
        if error is not None:
            count_error(worker.metrics, PREDICT_PATH, error)
            status, content = error.status, _encode(error.body)
        worker.metrics.answered("POST", PREDICT_PATH, status, time.perf_counter() - started)
        return status, content


class PredictFirst:
    """An ASGI application that handles predictions and passes all other requests to the next application."""

    def __init__(self, next_app: Application, predict: PredictEndpoint) -> None:
        self._next = next_app
        self._predict = predict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PREDICT_PATH and scope["method"] == "POST":
            await self._predict(scope, receive, send)
        else:
            await self._next(scope, receive, send)


def _request_id(headers: Headers) -> str:
    """Return the client's request id; empty if there is none. Raises ApiError if it is invalid."""
    for name, value in headers:
        if name == b"x-request-id":
            return check_request_id(value.decode("latin-1"))
    return ""
