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


class JsonResponse(Response):
    """A response whose body is already JSON."""

    media_type = "application/json"


def answer(value: Any, status: int = 200) -> JsonResponse:
    return JsonResponse(msgspec.json.encode(value), status)


def error_response(error: ApiError, headers: Mapping[str, str] | None = None) -> JsonResponse:
    """The response of an error; a 401 names the authentication scheme (RFC 9110, 15.5.2)."""
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers = {**(headers or {}), "WWW-Authenticate": 'Bearer realm="PMMDS"'}
    return JsonResponse(msgspec.json.encode(error.body), error.status, headers)
