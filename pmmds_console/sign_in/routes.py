"""The paths of signing in and out: /sign-in, /sign-in/start, /sign-in/callback and /sign-out.

Not here: passwords (passwords.py), OpenID Connect (oidc.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, request_response
from starlette.types import Receive, Scope, Send

from pmmds_console.actor import actor_of
from pmmds_console.addresses import AddressLimit
from pmmds_console.forms import read_form
from pmmds_console.problems import ProblemError, forbidden
from pmmds_console.sign_in.actors import Actors
from pmmds_console.sign_in.answers import page
from pmmds_console.sign_in.clients import Client
from pmmds_console.sign_in.cookies import (
    FORM_FIELD,
    SESSION,
    SIGN_IN_FORM,
    SIGN_IN_STATE,
    Cookies,
    is_form_token,
    name_of,
)
from pmmds_console.sign_in.passwords import sign_in
from pmmds_console.threads import StoreThreads
from pmmds_core.config.settings import Settings
from pmmds_core.stores.identity.attempts import target_of
from pmmds_core.stores.identity.audit import DONE, SIGN_IN, SIGN_OUT, Origin
from pmmds_core.stores.identity.secret_ids import new_secret
from pmmds_core.stores.identity.sessions import OIDC, PASSWORD
from pmmds_core.workflows.auditing import record

if TYPE_CHECKING:
    from pmmds_console.sign_in.oidc import OidcClient

PATH, CALLBACK = "/sign-in", "/sign-in/callback"
_STATE_SECONDS = 600


class SignIn:
    """The endpoints of one deployment."""

    def __init__(
        self,
        settings: Settings,
        threads: StoreThreads,
        passwords: StoreThreads,
        waiting: AddressLimit,
        cookies: Cookies,
        actors: Actors,
    ) -> None:
        """
        Args:
            settings: of the deployment.
            threads: for short calls of the stores.
            passwords: for checks of passwords, which take long.
            waiting: limits the sign-ins of one client that wait for their check.
            cookies: of the console.
            actors: finds disabled users.
        """
        self._method = settings.console_sign_in
        self._threads, self._passwords, self._waiting = threads, passwords, waiting
        self._cookies, self._actors = cookies, actors
        self._oidc = _oidc_client(settings) if self._method == "oidc" else None
        self._client_secret = settings.console_oidc_client_secret

    def routes(self) -> list[Route]:
        """The routes of the configured method; without sessions there are none."""
        if self._method not in ("users", "oidc"):
            return []
        routes = [
            Route(PATH, self._form, methods=["GET"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
        ]
        if self._oidc is None:
            return [*routes, Route(PATH, self._with_password, methods=["POST"])]
        # The key is the same in every console process of the deployment, so that any of them can finish a sign-in.
        key = hashlib.sha256(f"pmmds sign-in state {self._client_secret}".encode()).hexdigest()
        started, finished = (_WithState(e, key, self._cookies) for e in (self._start, self._finish))
        return [*routes, Route(f"{PATH}/start", started, methods=["GET"]), Route(CALLBACK, finished, methods=["GET"])]

    async def _form(self, request: Request) -> Response:
        return self._page(request, request.query_params.get("next", "/"), "")

    def _page(self, request: Request, following: str, problem: str, error: ProblemError | None = None) -> Response:
        token = new_secret()
        status, headers = (200, {}) if error is None else (error.problem.status, error.headers)
        values = {
            "title": "Sign in",
            "method": self._method,
            "form_token": token,
            "next": own_path(following),
            "problem": problem,
        }
        response = page("sign_in.html", status, headers, **values)
        self._cookies.put(response, request.state.client, SIGN_IN_FORM, token, same_site="strict")
        return response

    async def _with_password(self, request: Request) -> Response:
        client: Client = request.state.client
        following = "/"
        try:
            fields = await read_form(request)
            following = fields.get("next", "/")
            if not is_form_token(fields.get(FORM_FIELD, ""), self._cookie(request, SIGN_IN_FORM)):
                raise forbidden("The sign-in form has expired. Send it again.")
            name, password, old = fields.get("name", ""), fields.get("password", ""), self._cookie(request, SESSION)
            with self._waiting.place(client.address):
                secret = await self._passwords.run(
                    lambda d: sign_in(d, name, password, client.address, old), changes=True
                )
        except ProblemError as error:
            request.state.is_recorded = error.problem.status == HTTPStatus.UNAUTHORIZED
            _explain(request, error, PASSWORD)
            return self._page(request, following, str(error), error)
        return self._opened(client, secret, following)

    def _opened(self, client: Client, secret: str, following: str) -> Response:
        response = RedirectResponse(own_path(following), 303, {"Cache-Control": "no-store"})
        self._cookies.put(response, client, SESSION, secret)
        self._cookies.delete(response, client, SIGN_IN_FORM)
        return response

    async def _start(self, request: Request) -> Response:
        assert self._oidc is not None, "only routed with OpenID Connect"
        client: Client = request.state.client
        request.session["next"] = own_path(request.query_params.get("next", "/"))
        scheme = "https" if client.is_https else "http"
        return await self._oidc.start(request, f"{scheme}://{request.headers['host']}{CALLBACK}")

    async def _finish(self, request: Request) -> Response:
        assert self._oidc is not None, "only routed with OpenID Connect"
        client: Client = request.state.client
        try:
            name, role = await self._oidc.finish(request)
            await self._actors.check_enabled(name)
        except ProblemError as error:
            _explain(request, error, OIDC)
            raise
        old = self._cookie(request, SESSION)
        secret = await self._threads.run(lambda d: d.sessions.open(name, role, OIDC, instead_of=old), changes=True)
        await self._record(Origin(name, OIDC, client.address), SIGN_IN)
        following = request.session.get("next", "/")
        request.session.clear()
        return self._opened(client, secret, following)

    async def _sign_out(self, request: Request) -> Response:
        actor, client = actor_of(request), request.state.client
        fields = await read_form(request)
        if not is_form_token(fields.get(FORM_FIELD, ""), actor.form_token):
            raise forbidden("The form's token is missing or has expired. Reload the page and sign out again.")
        secret = self._cookie(request, SESSION)
        await self._threads.run(lambda d: d.sessions.end(secret), changes=True)
        await self._record(Origin(actor.name, actor.method, client.address), SIGN_OUT)
        response = RedirectResponse(PATH, 303, {"Cache-Control": "no-store"})
        self._cookies.delete(response, client, SESSION)
        return response

    def _cookie(self, request: Request, name: str) -> str:
        return self._cookies.get(request.headers, request.state.client, name)

    async def _record(self, origin: Origin, action: str) -> None:
        await self._threads.run(lambda d: record(d, origin, action, target_of(origin.actor), DONE, ""), changes=True)


def _oidc_client(settings: Settings) -> OidcClient:
    """Imported only for OpenID Connect, because Authlib takes half a second."""
    from pmmds_console.sign_in.oidc import OidcClient

    return OidcClient(settings)


class _WithState:
    """An endpoint whose `request.session` is a signed cookie for the time of one sign-in."""

    def __init__(self, endpoint: Callable[[Request], Awaitable[Response]], key: str, cookies: Cookies) -> None:
        self._cookies, app = cookies, request_response(endpoint)
        self._variants = {
            is_secure: SessionMiddleware(
                app, key, name_of(SIGN_IN_STATE, is_secure=is_secure), _STATE_SECONDS, https_only=is_secure
            )
            for is_secure in (False, True)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._variants[self._cookies.is_secure(scope["state"]["client"])](scope, receive, send)


def _explain(request: Request, error: ProblemError, method: str) -> None:
    """Let refusals.py record a refused sign-in with its reason."""
    request.scope["state"].update(refusal=str(error), sign_in=(method, SIGN_IN, ""))


def own_path(text: str) -> str:
    """Return the path of this console to go to after the sign-in; `/` for anything else, such as another site's URL."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    is_plain = text.isprintable() and "\\" not in text and text.startswith("/")
    is_own = is_plain and not parts.scheme and not parts.netloc
    return text if is_own and not text.startswith(("//", PATH)) else "/"
