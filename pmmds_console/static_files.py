"""The style sheet and the icon, read once. The style sheet begins with that of the reports, so both look the same.

Not here: HTML (pages/).
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from pmmds_core.reports.drift_page import style

PATH = "/static/{name}"
_KINDS = {"console.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}


async def static_file(request: Request) -> Response:
    """A file with its ETag; 304 if the client has it, 404 for any other name."""
    name = request.path_params["name"]
    if name not in _KINDS:
        raise HTTPException(404)
    body = _content(name)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=_KINDS[name])


@cache
def _content(name: str) -> bytes:
    own = files("pmmds_console").joinpath("static", name).read_text(encoding="utf-8")
    return ((style() if name == "console.css" else "") + own).encode()
