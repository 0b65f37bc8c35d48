"""Reads request bodies with a size limit and decodes them strictly.

Not here: their meaning (predictor.py), responses (http/responses.py).
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from pmmds_serving import api_errors
from pmmds_serving.prediction.content_codings import BodyDecoder, coding_of

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Headers = Iterable[tuple[bytes, bytes]]
# JSON must be UTF-8 (RFC 8259, 8.1), of which ASCII is a subset.
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})

WhenLarge = Callable[[], Awaitable[None]]


class _DuplicateKeyError(ValueError):
    """Raised if a JSON object has a duplicate key."""


async def read_body(
    headers: Headers, receive: Receive, limit: int, large: int | None = None, when_large: WhenLarge | None = None
) -> bytes:
    """Read the complete body of a JSON request.

    Args:
        headers: lower-case names and values.
        receive: ASGI's receive function.
        limit: maximum number of bytes.
        large: number of bytes beyond which `when_large` is awaited once before more is read.
        when_large: called for a large body; it may raise an exception.

    Raises:
        ApiError: wrong content type, more than `limit` bytes, or the client disconnected.
    """
    content_type, declared, encoding = _described(headers)
    if content_type != b"application/json":
        check_content_type(content_type)
    if declared.isdigit() and int(declared) > limit:
        raise api_errors.too_large(limit)
    coding = coding_of(encoding)
    if coding:
        return await _read_coded(BodyDecoder(coding, limit), receive, limit, large, when_large)
    message = await receive()
    body: bytes = message.get("body", b"")
    is_small = large is None or len(body) <= large
    if is_small and len(body) <= limit and message["type"] == "http.request" and not message.get("more_body"):
        return body
    return await _read_on(message, receive, limit, large, when_large)


def _described(headers: Headers) -> tuple[bytes, bytes, bytes]:
    """Return Content-Type (the first one, as in the fast path), Content-Length and all Content-Encodings."""
    content_type = declared = encoding = b""
    for name, value in headers:
        if name == b"content-type":
            content_type = content_type or value
        elif name == b"content-length":
            declared = value
        elif name == b"content-encoding":
            encoding = b", ".join(filter(None, (encoding, value)))
    return content_type, declared, encoding


def check_content_type(raw: bytes) -> None:
    """Raises ApiError unless the Content-Type is JSON in UTF-8."""
    content_type, *parameters = raw.decode("latin-1").split(";")
    content_type = content_type.strip().lower()
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise api_errors.wrong_content_type(content_type)
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in _CHARSETS:
            raise api_errors.wrong_charset(value.strip()[:40])


async def _read_on(
    message: MutableMapping[str, Any], receive: Receive, limit: int, large: int | None, when_large: WhenLarge | None
) -> bytes:
    parts, size = [], 0
    while True:
        if message["type"] != "http.request":
            raise api_errors.client_left()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise api_errors.too_large(limit)
        if when_large is not None and large is not None and size > large:
            await when_large()
            when_large = None
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()


async def _read_coded(
    decoder: BodyDecoder, receive: Receive, limit: int, large: int | None, when_large: WhenLarge | None
) -> bytes:
    """Decode a compressed body while reading it. Both the compressed and the decoded size are limited."""

    n_received = 0

    async def receive_decoded() -> MutableMapping[str, Any]:
        nonlocal n_received
        message = await receive()
        if message["type"] != "http.request":
            return message
        chunk = message.get("body", b"")
        n_received += len(chunk)
        if n_received > limit:
            raise api_errors.too_large(limit)
        return {**message, "body": decoder.feed(chunk)}

    body = await _read_on(await receive_decoded(), receive_decoded, limit, large, when_large)
    decoder.check_end()
    return body


def decode_json(body: bytes) -> Any:
    """Decode a JSON text; a byte order mark before it is skipped.

    Rejects NaN, Infinity, lone surrogates, trailing data and duplicate keys.

    Raises:
        ApiError: the body is not valid.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    if not body.strip():
        raise api_errors.broken_json("it is empty")
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or body[:2].count(0) == 1:
        raise api_errors.broken_json("it is UTF-16 or UTF-32. Send UTF-8")
    try:
        value = msgspec.json.decode(body)
        # msgspec silently keeps the last of duplicate keys, so the standard library checks for them.
        json.loads(body, object_pairs_hook=_reject_duplicates)
    except _DuplicateKeyError as error:
        raise api_errors.broken_json(str(error)) from None
    except (ValueError, msgspec.DecodeError) as error:
        raise api_errors.broken_json(str(error)) from None
    except RecursionError:
        raise api_errors.broken_json("it is nested too deeply") from None
    return value


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise _DuplicateKeyError(f"duplicate key {name[:80]!r} in an object")
        seen.add(name)
