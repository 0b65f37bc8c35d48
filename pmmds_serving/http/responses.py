"""Answers that go out: encoded once, by msgspec. Keep out.

What they say, and bodies that come in (prediction/request_bodies.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from pmmds_serving.prediction.api_errors import ApiError


class JsonAnswer(Response):
    """A response whose body is JSON bytes already."""

    media_type = "application/json"


def answer(value: Any, status: int = 200) -> JsonAnswer:
    return JsonAnswer(msgspec.json.encode(value), status)


def refuse(refusal: ApiError, headers: Mapping[str, str] | None = None) -> JsonAnswer:
    """The refusal's answer; a 401 names the scheme that is wanted (RFC 9110, 15.5.2)."""
    if refusal.status == HTTPStatus.UNAUTHORIZED:
        headers = {**(headers or {}), "WWW-Authenticate": 'Bearer realm="PMMDS"'}
    return JsonAnswer(msgspec.json.encode(refusal.body), refusal.status, headers)
