"""Rejects request heads that other HTTP parsers, such as a proxy's, may interpret differently (RFC 9112).

The bytes are parsed by llhttp, which accepts some of these heads. Not here: the connection and its limits
(connection_limits.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pmmds_serving.api_errors import ApiError

Headers = Sequence[tuple[bytes, bytes]]

MAX_HEADERS = 100

_VERSIONS = frozenset({"1.0", "1.1"})


def broken(error: str, status: int = 400) -> ApiError:
    """Return the error for a malformed request; its connection is closed."""
    return ApiError(status, "The request is not HTTP", "http", [error])


BROKEN = broken("Expected HTTP/1.1")


def too_many_headers() -> ApiError:
    return ApiError(431, "Too many headers", "http", [f"Expected at most {MAX_HEADERS} headers"])


def check_method(method: bytes) -> None:
    """Raises ApiError for CONNECT, which would turn the connection into a tunnel."""
    if method == b"CONNECT":
        errors = ["CONNECT is not supported. See GET /docs for all endpoints"]
        raise ApiError(405, "Method Not Allowed", "http", errors)


# RFC 3986, 3.2.2: a name, an IPv4 address or a bracketed IPv6 address; empty if the target has no authority.
_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.%v]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")


def check_framing(version: str, headers: Headers, named: Mapping[bytes, bytes]) -> None:
    """Raises ApiError unless the head identifies the host and the end of the body unambiguously.

    Args:
        version: such as "1.1".
        headers: lower-case names and values, in the order received.
        named: the headers by name.
    """
    if version not in _VERSIONS:
        raise broken(f"HTTP/{version} is not supported. Expected HTTP/1.1", 505)
    if b"transfer-encoding" in named:
        _check_coding(version, [value for name, value in headers if name == b"transfer-encoding"])
    if b"host" not in named:
        if version == "1.1":
            raise broken("The header Host is missing. Expected exactly one")
    elif len(named) < len(headers) and [name for name, _ in headers].count(b"host") > 1:
        raise broken("The header Host is duplicated. Expected exactly one")
    if _HOST.fullmatch(named.get(b"host", b"")) is None:
        raise broken("The header Host is not a name or address with an optional port")


def _check_coding(version: str, values: Sequence[bytes]) -> None:
    """Raises ApiError unless the coding is `chunked`; llhttp also accepts codings that the service cannot decode."""
    if version == "1.0":
        raise broken("HTTP/1.0 does not support Transfer-Encoding. Send Content-Length")
    if len(values) > 1 or values[0].strip().lower() != b"chunked":
        raise broken("The Transfer-Encoding is not supported. Expected chunked, or a Content-Length", 501)


def head_without_upgrade(method: bytes, url: bytes, version: str, headers: Headers) -> bytes:
    """The head of a request without its Upgrade header (RFC 9110, 7.8)."""
    lines = [b"%b %b HTTP/%b" % (method, url, version.encode())]
    lines += [b"%b: %b" % header for header in headers if header[0] != b"upgrade"]
    return b"\r\n".join([*lines, b"", b""])
