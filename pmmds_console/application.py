"""The console's ASGI application: routes behind the web guard and the check of access."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pmmds_console.access import ALIVE, Access, is_open
from pmmds_console.actions.forms import form_routes
from pmmds_console.api.changes import change_routes
from pmmds_console.api.endpoint import REQUEST_SECONDS, Endpoints
from pmmds_console.api.routes import BASE, ROUTES
from pmmds_console.problems import answer_rejection, of_http
from pmmds_console.refusals import Refusals
from pmmds_console.sign_in.actors import Actors
from pmmds_console.sign_in.answers import error_response
from pmmds_console.sign_in.clients import trusted_networks
from pmmds_console.sign_in.cookies import Cookies, FormTokens
from pmmds_console.sign_in.routes import SignIn
from pmmds_console.sign_in.threads import StoreThreads
from pmmds_core.deployment import Deployment
from pmmds_core.runtime.web_guard import WebGuard

# Threads that look up actors and make changes, besides those of the API's reads.
_ACCESS_THREADS = 4


def make_application(deployment: Deployment) -> Refusals:
    """The application of a deployment; its database is opened by the first request."""
    settings = deployment.settings
    threads = StoreThreads(deployment, _ACCESS_THREADS, REQUEST_SECONDS)
    cookies = Cookies(settings)
    actors = Actors(settings, threads, FormTokens(), is_open=is_open(settings))
    sign_in = SignIn(settings, threads, cookies, actors)
    routes = [*_routes(deployment, threads, cookies), *sign_in.routes()]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _problem})
    app.router.redirect_slashes = False
    guard = WebGuard(
        Access(app, actors),
        settings.web_hosts(settings.console_host),
        json_only=True,
        allows_forms=True,
        answer=answer_rejection,
    )
    return Refusals(guard, threads, trusted_networks(settings.console_trusted_proxies))


def _routes(deployment: Deployment, threads: StoreThreads, cookies: Cookies) -> list[Route]:
    endpoints = Endpoints(deployment)
    return [
        Route(ALIVE, _alive, methods=["GET"]),
        *(Route(BASE + r.pattern, endpoints.endpoint(r), methods=["GET"]) for r in ROUTES),
        *change_routes(BASE, threads),
        *form_routes(threads, cookies),
    ]


async def _alive(_: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def _problem(request: Request, error: Exception) -> Response:
    status, headers = (error.status_code, error.headers or {}) if isinstance(error, HTTPException) else (500, {})
    problem = of_http(status, headers.get("Allow", "GET, HEAD"))
    return error_response(problem, request.headers, request.url.path)
