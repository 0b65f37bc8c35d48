"""Reading a form that a browser sent."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from pmmds_console.problems import bad_request

MAX_BYTES = 16_384
_MAX_FIELDS = 20


async def read_body(request: Request) -> bytes:
    """The body of a request. Raises ProblemError 400 if it is longer than MAX_BYTES."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BYTES:
            raise bad_request(f"The request body is longer than {MAX_BYTES:,} bytes.")
    return bytes(body)


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a form in application/x-www-form-urlencoded.

    Raises:
        ProblemError: 400 if the body is too long, is not UTF-8 or has a field twice.
    """
    try:
        pairs = parse_qsl(
            (await read_body(request)).decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        raise bad_request("The form cannot be read. Reload the page and send it again.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise bad_request("The form has a field twice. Reload the page and send it again.")
    return fields
