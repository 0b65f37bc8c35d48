"""JSON responses, encoded by msgspec.

Not here: their content, and request bodies (prediction/request_bodies.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from pmmds_serving.api_errors import ApiError
from pmmds_serving.prediction.content_codings import ACCEPTED


class JsonResponse(Response):
    """A response whose body is already JSON."""

    media_type = "application/json"


def answer(value: Any, status: int = 200) -> JsonResponse:
    return JsonResponse(msgspec.json.encode(value), status)


def error_response(error: ApiError, headers: Mapping[str, str] | None = None) -> JsonResponse:
    """The response for an error. Its headers name the scheme for a 401 (RFC 9110, 15.5.2) and the codings for a 415."""
    return JsonResponse(msgspec.json.encode(error.body), error.status, {**(headers or {}), **headers_of(error)})


def encoded_headers(error: ApiError) -> list[tuple[bytes, bytes]]:
    """`headers_of` for ASGI."""
    return [(name.lower().encode(), value.encode()) for name, value in headers_of(error).items()]


def headers_of(error: ApiError) -> dict[str, str]:
    """The headers that an error's status requires, whether the response goes through ASGI or the fast path."""
    if error.status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": 'Bearer realm="PMMDS"'}
    return {"Accept-Encoding": ACCEPTED} if error.error_type == "content_encoding" else {}
