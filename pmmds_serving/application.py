"""The Starlette application that BentoML mounts: routes, counting and error responses.

POST /api/v1/predict is usually handled before it reaches the application (http/predict_endpoint.py). Not here: handlers
(http/data_endpoints.py, http/status_endpoints.py), predicting (prediction/predictor.py), pages (http/pages.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pmmds_core.deployment import Deployment
from pmmds_serving.access import is_admin
from pmmds_serving.api_errors import ApiError
from pmmds_serving.http import data_endpoints, pages, status_endpoints
from pmmds_serving.http.error_boundary import ErrorBoundary, count_error
from pmmds_serving.http.openapi import openapi_document
from pmmds_serving.http.predict_endpoint import PREDICT_PATH, PredictEndpoint
from pmmds_serving.http.responses import JsonResponse, error_response
from pmmds_serving.rpc.server import grpc_running
from pmmds_serving.worker import Worker, build_worker, running

Handler = Callable[[Request, Worker], Awaitable[Response]]

_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

ROUTES: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/api/v1/predict/batch", data_endpoints.predict_batch),
    ("POST", "/api/v1/feedback", data_endpoints.feedback),
    ("GET", "/healthz", status_endpoints.healthz),
    ("GET", "/livez", status_endpoints.livez),
    ("GET", "/ready", status_endpoints.ready),
    ("GET", "/model", status_endpoints.model),
    ("POST", "/model/reload", status_endpoints.reload_model),
    ("GET", "/metrics", status_endpoints.metrics),
    ("GET", "/metrics/json", status_endpoints.metrics_json),
)


def build_app(make_deployment: Callable[[], Deployment]) -> Starlette:
    """Build the application; its worker is created at start-up.

    Args:
        make_deployment: called once, at start-up.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.worker = build_worker(make_deployment())
        async with running(app.state.worker), grpc_running(app.state.worker):
            tracing = app.state.worker.tracing
            if tracing is not None:
                predict.answer = tracing.around(predict.answer, PREDICT_PATH)
            yield

    routes = [Route(path, _observed(method, path, handler), methods=[method]) for method, path, handler in ROUTES]
    routes += [
        Route("/openapi.json", _openapi, methods=["GET"]),
        Route("/docs", _docs, methods=["GET"]),
        Route("/docs/{name}", _docs_asset, methods=["GET"]),
        Route("/", _front_page, methods=["GET"]),
    ]
    handlers: dict[Any, Any] = {HTTPException: _http_problem}
    predict = PredictEndpoint()
    routes.append(Route(PREDICT_PATH, predict, methods=["POST"]))
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    app.router.redirect_slashes = False  # a redirect would drop a proxy's path prefix and the body of a POST
    app.state.predict, predict.state = predict, app.state
    return app


def _observed(method: str, endpoint: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Count and time a handler and turn its exceptions into responses. The metric label is the route's template."""

    async def answer(request: Request) -> Response:
        tracing = request.app.state.worker.tracing
        if tracing is None:
            return await answered(request)
        with tracing.request(method, endpoint, request.scope["headers"]) as span:
            response = await answered(request)
            span.answered(response.status_code)
        return response

    async def answered(request: Request) -> Response:
        started = time.perf_counter()
        request.state.started = started
        worker: Worker = request.app.state.worker
        boundary = ErrorBoundary()
        response: Response | None = None
        with boundary:
            response = await handler(request, worker)
        if boundary.error is not None:
            count_error(worker.metrics, endpoint, boundary.error)
            response = error_response(boundary.error)
        assert response is not None
        worker.metrics.answered(method, endpoint, response.status_code, time.perf_counter() - started)
        return response

    return answer


async def _http_problem(request: Request, error: HTTPException) -> Response:
    """Return 404 and 405 in the common error format."""
    errors = ["See GET /docs for all endpoints"]
    if request.url.path.rstrip("/") and request.url.path.endswith("/"):
        errors.insert(0, "The path ends with a slash, but no endpoint's path does")
    return error_response(ApiError(error.status_code, str(error.detail), "http", errors), error.headers)


async def _openapi(request: Request) -> Response:
    worker: Worker = request.app.state.worker
    return JsonResponse(
        msgspec.json.encode(openapi_document(worker.deployment.contract, worker.deployment.settings.http_path_prefix))
    )


async def _docs(_: Request) -> Response:
    return _page(pages.docs_page())


async def _docs_asset(request: Request) -> Response:
    asset = pages.docs_asset(request.path_params["name"])
    if asset is None:
        raise HTTPException(404)
    content, media_type = asset
    return Response(content, media_type=media_type, headers={"Cache-Control": "max-age=86400"})


async def _front_page(request: Request) -> Response:
    worker: Worker = request.app.state.worker
    return _page(await asyncio.to_thread(pages.front_page, worker, with_problems=is_admin(request, worker)))


def _page(html: str) -> Response:
    """A response with a page that cannot be framed and cannot load anything from another origin."""
    return HTMLResponse(html, headers=_PAGE_HEADERS)
