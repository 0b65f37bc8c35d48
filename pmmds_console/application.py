"""The console's ASGI application: pages and API behind the web guard and the access check."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pmmds_console import static_files
from pmmds_console.access import ALIVE, Access
from pmmds_console.api.endpoint import endpoint as api_endpoint
from pmmds_console.api.routes import BASE, ROUTES
from pmmds_console.pages.endpoint import endpoint as page_endpoint
from pmmds_console.pages.links import Links
from pmmds_console.pages.rendering import PageRenderer
from pmmds_console.pages.table import PAGES
from pmmds_console.problems import answer_rejection, of_http, response_of
from pmmds_console.reading import StoreReads
from pmmds_console.service_health import HealthReader
from pmmds_core.deployment import Deployment
from pmmds_core.runtime.web_guard import WebGuard


def make_application(deployment: Deployment) -> WebGuard:
    """The application of a deployment; its database is opened by the first request."""
    settings = deployment.settings
    reads, health = StoreReads(deployment), HealthReader(settings)
    renderer = PageRenderer(deployment.model_name, PAGES, Links.of(settings, deployment.model_name))
    routes = [
        Route(ALIVE, _alive, methods=["GET"]),
        Route(static_files.PATH, static_files.static_file, methods=["GET"]),
        *(Route(BASE + r.pattern, api_endpoint(r, reads), methods=["GET"]) for r in ROUTES),
        *(Route(p.path, page_endpoint(p, reads, renderer, health), methods=["GET"]) for p in PAGES),
    ]

    async def problem(request: Request, error: Exception) -> Response:
        status, headers = (error.status_code, error.headers or {}) if isinstance(error, HTTPException) else (500, {})
        found = of_http(status, headers.get("Allow", "GET, HEAD"))
        return response_of(found) if request.url.path.startswith("/api/") else renderer.problem(request, found)

    app = Starlette(routes=routes, exception_handlers={HTTPException: problem})
    app.router.redirect_slashes = False
    hosts = settings.web_hosts(settings.console_host)
    return WebGuard(Access(app, settings), hosts, json_only=True, answer=answer_rejection)


async def _alive(_: Request) -> Response:
    return JSONResponse({"status": "alive"})
