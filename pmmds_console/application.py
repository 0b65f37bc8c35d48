"""The console's ASGI application: pages, API and changes, protected by the web guard and the access check."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pmmds_console import static_files
from pmmds_console.access import ALIVE, Access, is_open
from pmmds_console.actions.forms import form_routes
from pmmds_console.addresses import AddressLimit, trusted_networks
from pmmds_console.api.changes import change_routes
from pmmds_console.api.endpoint import endpoint as api_endpoint
from pmmds_console.api.routes import BASE, ROUTES
from pmmds_console.pages.endpoint import endpoint as page_endpoint
from pmmds_console.pages.links import Links
from pmmds_console.pages.navigation import PAGES
from pmmds_console.pages.rendering import PageRenderer
from pmmds_console.problems import ProblemError, answer_rejection, of_http
from pmmds_console.refusals import Refusals
from pmmds_console.service_health import HealthReader
from pmmds_console.sign_in.actors import Actors
from pmmds_console.sign_in.answers import API, error_response
from pmmds_console.sign_in.cookies import Cookies
from pmmds_console.sign_in.routes import SignIn
from pmmds_console.threads import MAX_THREADS, REQUEST_SECONDS, StoreThreads
from pmmds_core.deployment import Deployment
from pmmds_core.runtime.web_guard import WebGuard

# Threads that look up actors and record refusals, so that pages, changes and password checks do not delay them.
_ACCESS_THREADS = 4
_CHANGE_THREADS = 2
# Passwords are checked one at a time; more sign-ins than these wait are rejected at once.
_MAX_WAITING_SIGN_INS = 16
# What one client address may have at the same time, so that it cannot use up what all clients share.
MAX_REQUESTS_PER_ADDRESS, MAX_SIGN_INS_PER_ADDRESS = 32, 4


def make_application(deployment: Deployment) -> Refusals:
    """The application of a deployment; its database is opened by the first request."""
    settings = deployment.settings
    trusted = trusted_networks(settings.console_trusted_proxies)
    threads = StoreThreads(deployment, _ACCESS_THREADS, REQUEST_SECONDS)
    cookies = Cookies(settings)
    actors = Actors(settings, threads, cookies, is_open=is_open(settings))
    passwords = StoreThreads(deployment, 1, REQUEST_SECONDS, _MAX_WAITING_SIGN_INS)
    sign_ins = AddressLimit(MAX_SIGN_INS_PER_ADDRESS, trusted, "sign-ins that wait")
    sign_in = SignIn(settings, threads, passwords, sign_ins, cookies, actors)
    changes = StoreThreads(deployment, _CHANGE_THREADS, REQUEST_SECONDS)
    others = [*sign_in.routes(), *change_routes(BASE, changes), *form_routes(changes, cookies)]
    app = _pages_and_api(deployment, cookies, others)
    guard = WebGuard(
        Access(app, actors, AddressLimit(MAX_REQUESTS_PER_ADDRESS, trusted, "pending requests")),
        settings.web_hosts(settings.console_host),
        json_only=True,
        allows_forms=True,
        answer=answer_rejection,
    )
    return Refusals(guard, threads, cookies, trusted)


def _pages_and_api(deployment: Deployment, cookies: Cookies, others: list[Route]) -> Starlette:
    settings = deployment.settings
    reads = StoreThreads(deployment, min(MAX_THREADS, settings.database_pool_size), REQUEST_SECONDS)
    renderer = PageRenderer(deployment.model_name, PAGES, Links.of(settings, deployment.model_name))
    health = HealthReader(settings)
    routes = [
        Route(ALIVE, _alive, methods=["GET"]),
        Route(static_files.PATH, static_files.static_file, methods=["GET"]),
        *others,
        *(Route(BASE + r.pattern, api_endpoint(r, deployment, reads), methods=["GET"]) for r in ROUTES),
        *(Route(p.path, page_endpoint(p, reads, renderer, health, cookies), methods=["GET"]) for p in PAGES),
    ]

    async def problem(request: Request, error: Exception) -> Response:
        found = error if isinstance(error, ProblemError) else of_http(error)
        request.scope["state"].setdefault("refusal", str(found))
        actor = getattr(request.state, "actor", None)
        if actor is None or request.url.path.startswith(API):
            return error_response(found, request.headers, request.url.path)
        return renderer.problem(found, actor)

    app = Starlette(routes=routes, exception_handlers={HTTPException: problem, ProblemError: problem})
    app.router.redirect_slashes = False
    return app


async def _alive(_: Request) -> Response:
    return JSONResponse({"status": "alive"})
