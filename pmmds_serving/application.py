"""The Starlette application that BentoML mounts: routes, and how every answer is counted and shaped.

Handlers are in endpoints.py and status.py. Keep out: what a prediction is (predicting.py) and pages (pages.py).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pmmds_core.deployment import Deployment
from pmmds_core.telemetry import get_logger
from pmmds_serving import endpoints, pages, status
from pmmds_serving.json_answers import JsonAnswer, refuse
from pmmds_serving.openapi import openapi_document
from pmmds_serving.refusals import RefusalError
from pmmds_serving.worker import Worker, build_worker, running

Handler = Callable[[Request, Worker], Awaitable[Response]]

log = get_logger("pmmds.serving.http")

_PAYLOAD_PROBLEMS = frozenset({400, 413, 415})

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/api/v1/predict", endpoints.predict),
    ("POST", "/api/v1/predict/batch", endpoints.predict_batch),
    ("POST", "/api/v1/feedback", endpoints.feedback),
    ("GET", "/healthz", status.healthz),
    ("GET", "/livez", status.livez),
    ("GET", "/ready", status.ready),
    ("GET", "/model", status.model),
    ("POST", "/model/reload", status.reload_model),
    ("GET", "/metrics", status.metrics),
    ("GET", "/metrics/json", status.metrics_json),
)


def build_app(make_deployment: Callable[[], Deployment], *, with_watcher: bool = True) -> Starlette:
    """The application; its worker is made when the server starts it.

    Args:
        make_deployment: called once, at the start.
        with_watcher: False in tests that bring the stamp themselves.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.worker = build_worker(make_deployment())
        async with running(app.state.worker, with_watcher=with_watcher):
            yield

    routes = [Route(path, _observed(method, path, handler), methods=[method]) for method, path, handler in ROUTES]
    routes += [
        Route("/openapi.json", _openapi, methods=["GET"]),
        Route("/docs", _docs, methods=["GET"]),
        Route("/docs/{name}", _docs_asset, methods=["GET"]),
        Route("/", _front_page, methods=["GET"]),
    ]
    handlers: dict[Any, Any] = {HTTPException: _http_problem}
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)


def _observed(method: str, endpoint: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Count and time a handler, and turn what it raises into an answer. The label is the template, never the path."""

    async def answer(request: Request) -> Response:
        started = time.perf_counter()
        request.state.started = started
        worker: Worker = request.app.state.worker
        boundary = _Boundary()
        with boundary:
            boundary.response = await handler(request, worker)
        response, refusal = boundary.response, boundary.refusal
        if refusal is not None:
            worker.metrics.errors.labels(endpoint, refusal.error_type).inc()
            if refusal.status in _PAYLOAD_PROBLEMS:
                worker.metrics.validation_failures.labels(endpoint, refusal.error_type).inc()
            response = refuse(refusal)
        assert response is not None
        worker.metrics.requests.labels(method, endpoint, response.status_code).inc()
        worker.metrics.request_latency.labels(method, endpoint).observe(time.perf_counter() - started)
        return response

    return answer


class _Boundary:
    """Whatever a handler raises, the sender gets an answer in the usual shape.

    An unexpected error is logged by its type and place: its text may hold a customer's values.
    """

    def __init__(self) -> None:
        self.response: Response | None = None
        self.refusal: RefusalError | None = None

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if isinstance(error, RefusalError):
            self.refusal = error
        elif isinstance(error, Exception):
            log.error("request_failed", error_type=type(error).__name__, place=_place(trace))
            self.refusal = RefusalError(500, "The service failed; its log says where", "internal")
        return self.refusal is not None


def _place(trace: TracebackType | None) -> str:
    """File and line where it was raised."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""


async def _http_problem(_: Request, error: HTTPException) -> Response:
    """404 and 405 in the usual shape."""
    errors = ["GET /docs shows every endpoint"]
    return refuse(RefusalError(error.status_code, str(error.detail), "http", errors), error.headers)


async def _openapi(request: Request) -> Response:
    worker: Worker = request.app.state.worker
    return JsonAnswer(msgspec.json.encode(openapi_document(worker.deployment.contract)))


async def _docs(_: Request) -> Response:
    return HTMLResponse(pages.docs_page())


async def _docs_asset(request: Request) -> Response:
    found = pages.docs_asset(request.path_params["name"])
    if found is None:
        raise HTTPException(404)
    content, media_type = found
    return Response(content, media_type=media_type, headers={"Cache-Control": "max-age=86400"})


async def _front_page(request: Request) -> Response:
    return HTMLResponse(pages.front_page(request.app.state.worker))
