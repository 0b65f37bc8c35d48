"""The console's ASGI application: routes behind the web guard and the token check."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pmmds_console.access import ALIVE, Access
from pmmds_console.api.endpoint import Endpoints
from pmmds_console.api.routes import BASE, ROUTES
from pmmds_console.problems import answer_rejection, of_http, response_of
from pmmds_core.deployment import Deployment
from pmmds_core.runtime.web_guard import WebGuard


def make_application(deployment: Deployment) -> WebGuard:
    """The application of a deployment; its database is opened by the first request."""
    endpoints = Endpoints(deployment)
    routes = [Route(BASE + r.pattern, endpoints.endpoint(r), methods=["GET"]) for r in ROUTES]
    app = Starlette(
        routes=[Route(ALIVE, _alive, methods=["GET"]), *routes], exception_handlers={HTTPException: _problem}
    )
    app.router.redirect_slashes = False
    settings = deployment.settings
    hosts = settings.web_hosts(settings.console_host)
    return WebGuard(Access(app, settings), hosts, json_only=True, answer=answer_rejection)


async def _alive(_: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def _problem(_: Request, error: Exception) -> Response:
    status, headers = (error.status_code, error.headers or {}) if isinstance(error, HTTPException) else (500, {})
    return response_of(of_http(status, headers.get("Allow", "GET, HEAD")))
