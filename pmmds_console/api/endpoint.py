"""HTTP around a route: the required role, checked parameters and ETags.

Not here: access (access.py), threads and timeouts (threads.py), what a route reads (lists.py, documents.py), error
responses (application.py).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pmmds.resources import Page
from pmmds_console.actor import actor_of, require_role
from pmmds_console.api.parameters import parse
from pmmds_console.api.route import Asked, Route
from pmmds_console.problems import HEADERS
from pmmds_console.threads import StoreThreads
from pmmds_core.deployment import Deployment

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def endpoint(route: Route, deployment: Deployment, threads: StoreThreads) -> Callable[[Request], Awaitable[Response]]:
    """The Starlette endpoint of a route."""

    async def answer(request: Request) -> Response:
        require_role(actor_of(request), route.role)
        asked = _asked(request, route, deployment)
        if route.needs_database:
            body, following = await threads.run(lambda _: _encoded(route, asked))
        else:
            body, following = _encoded(route, asked)
        return _response(body, following, request)

    return answer


def _encoded(route: Route, asked: Asked) -> tuple[bytes, str | None]:
    """The JSON of the response, and the reference of the next page."""
    found = route.read(asked)
    return msgspec.json.encode(found), found.next if isinstance(found, Page) else None


def _asked(request: Request, route: Route, deployment: Deployment) -> Asked:
    given: dict[str, list[str]] = {}
    for name, text in request.query_params.multi_items():
        given.setdefault(name, []).append(text)
    texts = {**given, **{name: [str(text)] for name, text in request.path_params.items()}}
    values = parse(route.parameters, texts)
    path = route.path.format(**{name: msgspec.json.encode(str(v)) for name, v in request.path_params.items()})
    return Asked(deployment, path, values, {name: items[0] for name, items in given.items()})


def _response(body: bytes, following: str | None, request: Request) -> Response:
    """200, or 304 if the client has this body already. The header Link names the next page (RFC 8288)."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**HEADERS, "ETag": tag, **({"Link": f'<{following}>; rel="next"'} if following else {})}
    if _matches(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def _matches(header: str, tag: str) -> bool:
    """If-None-Match uses the weak comparison (RFC 9110, 13.1.2)."""
    return header.strip() == "*" or tag in _TAG.findall(header)
