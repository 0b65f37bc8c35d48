"""CORS: lets web pages of the origins in PMMDS_HTTP_CORS_ORIGINS read the service's responses. Off by default.

Not here: access to guarded endpoints (access.py), for which a page needs the admin token.
"""

from __future__ import annotations

from collections.abc import Collection, MutableMapping
from typing import Any

from pmmds_serving.http.predict_endpoint import Application, Scope, Send
from pmmds_serving.prediction.request_bodies import Receive

Header = tuple[bytes, bytes]

VARY: Header = (b"vary", b"Origin")
_PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-methods", b"GET, HEAD, POST"),
    (b"access-control-allow-headers", b"Authorization, Content-Encoding, Content-Type, X-Request-ID"),
    (b"access-control-max-age", b"600"),
    (b"content-length", b"0"),
)


class CrossOrigin:
    """ASGI middleware: adds the CORS headers to responses and answers preflight requests."""

    def __init__(self, app: Application, origins: Collection[str]) -> None:
        self._app = app
        self._origins = frozenset(origin.encode() for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        named = dict(reversed(scope["headers"]))
        allowed = self._allowed(named.get(b"origin", b""))
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in named:
            status, headers = (204, [*allowed, *_PREFLIGHT]) if len(allowed) > 1 else (403, [VARY, _PREFLIGHT[-1]])
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, _adding(allowed, send))

    def _allowed(self, origin: bytes) -> list[Header]:
        """CORS headers of a response.

        Vary is always included, because a cache may reuse the response for another origin.
        """
        if origin not in self._origins:
            return [VARY]
        return [VARY, (b"access-control-allow-origin", origin)]


def _adding(headers: list[Header], send: Send) -> Send:
    async def send_more(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await send(message)

    return send_more
