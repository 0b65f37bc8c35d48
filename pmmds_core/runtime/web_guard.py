"""An ASGI guard in front of Dagster's and MLflow's web servers, which have no authentication of their own.

It refuses requests that a web page of another origin can make a browser send. Keep out: the rules for header values
(web_requests.py), and how the servers are started (pmmds_assets/instance/webserver.py, stores/artifacts/mlflow_app.py).
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
# What an HTML form or a simple cross-origin request can send without asking the server first.
_FORM_TYPES = frozenset({"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"})
_POLICY_VIOLATION = 1008
# One value of each; two could be read differently by guard and server.
_SINGLE = ("host", "origin", "content-type", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")


class Problem(NamedTuple):
    """Why a request is refused: status and one sentence."""

    status: HTTPStatus
    sentence: str


class WebGuard:
    """An ASGI application that hands on what a page of its own, or a program, sends."""

    def __init__(self, app: Application, hosts: Collection[str], *, json_only: bool) -> None:
        """Args:
        app: the application behind it.
        hosts: host names beyond this machine's own that a Host header may have; lower case.
        json_only: POST must be application/json. Otherwise it may be anything that a form cannot send.
        """
        self._app, self._hosts, self._json_only = app, frozenset(hosts), json_only

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
            await _answer(problem, send)

    def _problem(self, scope: Scope) -> Problem | None:
        headers = _headers(scope)
        if isinstance(headers, Problem):
            return headers
        if not is_allowed_host(headers["host"], self._hosts):
            return Problem(
                HTTPStatus.FORBIDDEN,
                "The Host header names neither this machine nor a host of PMMDS_WEB_ALLOWED_HOSTS.",
            )
        is_other_page = is_foreign(headers["origin"], headers["sec-fetch-site"], headers["host"])
        if is_other_page and not _is_link(scope, headers):
            return Problem(HTTPStatus.FORBIDDEN, "The request comes from a page of another origin.")
        return self._method_problem(scope, headers) if scope["type"] == "http" else None

    def _method_problem(self, scope: Scope, headers: dict[str, str]) -> Problem | None:
        if scope["method"] != "POST":
            is_query = scope["path"].rstrip("/").endswith("/graphql") and scope.get("query_string")
            sentence = "Send a GraphQL query in the JSON body of a POST."
            return Problem(HTTPStatus.METHOD_NOT_ALLOWED, sentence) if is_query else None
        if not self._is_wanted(headers["content-type"]):
            found = media_type(headers["content-type"])[:80] or "missing"
            return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type is {found}. Send application/json.")
        return None

    def _is_wanted(self, content_type: str) -> bool:
        """True for a POST's type. Dagster looks for `application/json` as it is written here, else it reads the URL."""
        if self._json_only:
            return content_type.partition(";")[0].strip() == "application/json"
        return media_type(content_type) not in _FORM_TYPES


def _headers(scope: Scope) -> dict[str, str] | Problem:
    """The headers that are judged; empty where there is none."""
    found = dict.fromkeys(_SINGLE, "")
    seen: set[str] = set()
    for raw_name, value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        if name in seen:
            return Problem(HTTPStatus.BAD_REQUEST, f"The header {name} is there more than once.")
        if name in found:
            seen.add(name)
            found[name] = value.decode("latin-1").strip()
    return found


def _is_link(scope: Scope, headers: dict[str, str]) -> bool:
    """True for the page that a link on another page leads to: shown in the whole window, and read only."""
    navigates = (headers["sec-fetch-mode"], headers["sec-fetch-dest"]) == ("navigate", "document")
    return scope["type"] == "http" and scope["method"] in _READS and navigates and not headers["origin"]


def _unframed(send: Send) -> Send:
    """`send` whose answers no page of another origin may show in a frame."""

    async def send_unframed(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(n, v) for n, v in message.get("headers", []) if n.lower() != b"x-frame-options"]
            message = {**message, "headers": [*kept, (b"x-frame-options", b"SAMEORIGIN")]}
        await send(message)

    return send_unframed


async def _answer(problem: Problem, send: Send) -> None:
    body = (problem.sentence + "\n").encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": int(problem.status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
