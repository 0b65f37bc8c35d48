"""Bodies in and out: read with a limit, decoded strictly, encoded by msgspec. Keep out: what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from pmmds_serving import refusals
from pmmds_serving.refusals import RefusalError


class JsonAnswer(Response):
    """A response whose body is JSON bytes already."""

    media_type = "application/json"


def answer(value: Any, status: int = 200) -> JsonAnswer:
    return JsonAnswer(msgspec.json.encode(value), status)


def refuse(refusal: RefusalError, headers: Mapping[str, str] | None = None) -> JsonAnswer:
    return JsonAnswer(msgspec.json.encode(refusal.body), refusal.status, headers)


async def read_json(request: Request, limit: int) -> Any:
    """The decoded body. NaN, Infinity and a second value are not JSON.

    Raises:
        RefusalError: wrong content type, larger than `limit` bytes, broken.
    """
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise refusals.wrong_content_type(content_type)
    body = await _read(request, limit)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refusals.broken_json(str(error)) from None
    except RecursionError:
        raise refusals.broken_json("it is nested too deeply") from None


async def _read(request: Request, limit: int) -> bytes:
    """At most `limit` bytes, whatever Content-Length says."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise refusals.too_large(limit)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise refusals.too_large(limit)
        parts.append(part)
    return b"".join(parts)
