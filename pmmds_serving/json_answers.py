"""Answers that go out: encoded once, by msgspec. Keep out: what they say, and bodies that come in (json_bodies.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from pmmds_serving.refusals import RefusalError


class JsonAnswer(Response):
    """A response whose body is JSON bytes already."""

    media_type = "application/json"


def answer(value: Any, status: int = 200) -> JsonAnswer:
    return JsonAnswer(msgspec.json.encode(value), status)


def refuse(refusal: RefusalError, headers: Mapping[str, str] | None = None) -> JsonAnswer:
    return JsonAnswer(msgspec.json.encode(refusal.body), refusal.status, headers)
