"""The application in front: POST /api/v1/predict without a framework, everything else handed on.

A router, a request and a response object cost more than decoding, scoring and keeping a row together. Keep out: what a
prediction is (prediction/predictor.py), all other endpoints (application.py).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from starlette.datastructures import State

from pmmds_serving.http.error_boundary import ErrorBoundary, count_error
from pmmds_serving.prediction.api_errors import ApiError
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
    """POST /api/v1/predict: `answer`, which the protocol calls, and an ASGI application around it.

    `state` is the application's, which has the worker once it runs. Tracing puts itself around `answer`.
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
        status, content = self.answer(headers, body, started, boundary.refusal)
        length = (b"content-length", str(len(content)).encode())
        await send({"type": "http.response.start", "status": status, "headers": [_JSON, length]})
        await send({"type": "http.response.body", "body": content})

    def _answer(
        self, headers: Headers, body: bytes, started: float, refusal: ApiError | None = None
    ) -> tuple[int, bytes]:
        """Status and JSON of the answer to a request that is there whole, counted and timed.

        Args:
            headers: lower-case names and values.
            body: what was sent.
            started: time.perf_counter() when the request arrived.
            refusal: what is wrong with it already.
        """
        worker: Worker = self.state.worker
        status, content = 200, b""
        if refusal is None:
            boundary = ErrorBoundary()
            with boundary:
                content = _encode(worker.predictor.predict(body, _request_id(headers), started))
            refusal = boundary.refusal
        if refusal is not None:
            count_error(worker.metrics, PREDICT_PATH, refusal)
            status, content = refusal.status, _encode(refusal.body)
        worker.metrics.answered("POST", PREDICT_PATH, status, time.perf_counter() - started)
        return status, content


class PredictFirst:
    """An ASGI application before another one: predictions do not go through its middlewares and routers."""

    def __init__(self, behind: Application, predict: PredictEndpoint) -> None:
        self._behind = behind
        self._predict = predict

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PREDICT_PATH and scope["method"] == "POST":
            await self._predict(scope, receive, send)
        else:
            await self._behind(scope, receive, send)


def _request_id(headers: Headers) -> str:
    """The client's id, checked; empty when it has none. Raises ApiError."""
    for name, value in headers:
        if name == b"x-request-id":
            return check_request_id(value.decode("latin-1"))
    return ""
