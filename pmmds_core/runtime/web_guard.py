"""ASGI middleware for the web servers of Dagster, MLflow and the console.

It rejects cross-origin requests that another website could make a browser send. Not here: rules for header values
(web_requests.py) and starting the servers (pmmds_assets/instance/webserver.py, stores/artifacts/mlflow_app.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from http import HTTPStatus
from typing import Any, NamedTuple

from pmmds_core.runtime.web_requests import is_allowed_host, is_foreign, media_type

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
# Content types that a form or a simple cross-origin request can send without a preflight request.
_FORM = "application/x-www-form-urlencoded"
_FORM_TYPES = frozenset({"", "text/plain", _FORM, "multipart/form-data"})
_POLICY_VIOLATION = 1008
# Headers that may occur only once, because the guard and the server could interpret duplicates differently.
_SINGLE = ("host", "origin", "content-type", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")


class Problem(NamedTuple):
    """The reason for rejecting a request, as a status and a message."""

    status: HTTPStatus
    sentence: str


Answer = Callable[[Problem, Send], Awaitable[None]]


class WebGuard:
    """ASGI middleware that accepts only same-origin requests and requests from non-browser clients."""

    def __init__(
        self,
        app: Application,
        hosts: Collection[str],
        *,
        json_only: bool,
        allows_forms: bool = False,
        answer: Answer | None = None,
    ) -> None:
        """Create the middleware.

        Args:
            app: the protected application.
            hosts: the lowercase host names that are allowed in the Host header besides loopback.
            json_only: True to accept only application/json in a POST, False for any type that a form cannot send.
            allows_forms: True to also accept forms in a POST. The application then has to check a form token.
            answer: sends the response to a rejected HTTP request. If it is None, the response is plain text.
        """
        self._app, self._hosts, self._json_only = app, frozenset(hosts), json_only
        self._allows_forms = allows_forms
        self._answer = answer or _answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        problem = self._problem(scope)
        if problem is None:
            await self._app(scope, receive, _unframed(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": problem.sentence})
        else:
            await self._answer(problem, send)

    def _problem(self, scope: Scope) -> Problem | None:
        headers = _headers(scope)
        if isinstance(headers, Problem):
            return headers
        if not is_allowed_host(headers["host"], self._hosts):
            return Problem(
                HTTPStatus.FORBIDDEN,
                "The Host header is neither a loopback address nor in PMMDS_WEB_ALLOWED_HOSTS.",
            )
        is_cross_origin = is_foreign(headers["origin"], headers["sec-fetch-site"], headers["host"])
        if is_cross_origin and not _is_link(scope, headers):
            return Problem(HTTPStatus.FORBIDDEN, "The request comes from a page of another origin.")
        return self._method_problem(scope, headers) if scope["type"] == "http" else None

    def _method_problem(self, scope: Scope, headers: dict[str, str]) -> Problem | None:
        if scope["method"] != "POST":
            is_query = scope["path"].rstrip("/").endswith("/graphql") and scope.get("query_string")
            sentence = "Send GraphQL queries in the JSON body of a POST request."
            return Problem(HTTPStatus.METHOD_NOT_ALLOWED, sentence) if is_query else None
        if not self._is_accepted(headers["content-type"]):
            given = media_type(headers["content-type"])[:80] or "missing"
            return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type is {given}. Send application/json.")
        return None

    def _is_accepted(self, content_type: str) -> bool:
        """Return True if a POST may have this content type.

        If the type is not exactly `application/json`, Dagster reads the query from the URL.
        """
        if self._allows_forms and media_type(content_type) == _FORM:
            return True
        if self._json_only:
            return content_type.partition(";")[0].strip() == "application/json"
        return media_type(content_type) not in _FORM_TYPES


def _headers(scope: Scope) -> dict[str, str] | Problem:
    """Return the checked headers by name, or a problem if one of them is duplicated.

    A header that is absent is empty.
    """
    headers = dict.fromkeys(_SINGLE, "")
    seen: set[str] = set()
    for raw_name, value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        if name in seen:
            return Problem(HTTPStatus.BAD_REQUEST, f"Duplicate header {name}.")
        if name in headers:
            seen.add(name)
            headers[name] = value.decode("latin-1").strip()
    return headers


def _is_link(scope: Scope, headers: dict[str, str]) -> bool:
    """Return True if the request is a top-level navigation from a link on another page, with a read-only method."""
    navigates = (headers["sec-fetch-mode"], headers["sec-fetch-dest"]) == ("navigate", "document")
    return scope["type"] == "http" and scope["method"] in _READS and navigates and not headers["origin"]


def _unframed(send: Send) -> Send:
    """Wrap `send` to add X-Frame-Options, so that other origins cannot embed the responses in a frame."""

    async def send_unframed(message: Message) -> None:
        if message["type"] == "http.response.start":
            others = [(n, v) for n, v in message.get("headers", []) if n.lower() != b"x-frame-options"]
            message = {**message, "headers": [*others, (b"x-frame-options", b"SAMEORIGIN")]}
        await send(message)

    return send_unframed


async def _answer(problem: Problem, send: Send) -> None:
    body = (problem.sentence + "\n").encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": int(problem.status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
