"""Decodes compressed request bodies (Content-Encoding) while they arrive; the size limit applies to the decoded body.

Not here: reading the body (request_bodies.py), Transfer-Encoding (http/framing.py).
"""

from __future__ import annotations

import zlib

from pmmds_serving import api_errors

ACCEPTED = "gzip, deflate"
_GZIP, _ZLIB, _RAW = 31, 15, -15
_DEFLATE_METHOD = 8


def coding_of(raw: bytes) -> str:
    """Return the coding of a Content-Encoding header: `gzip`, `deflate` or empty.

    Raises ApiError for any other value.
    """
    coding = raw.decode("latin-1").strip().lower()
    if coding in ("", "identity"):
        return ""
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise api_errors.wrong_content_encoding(coding, ACCEPTED)
    return coding.removeprefix("x-")


class BodyDecoder:
    """Decodes the chunks of one body. No call holds more than `limit` + 1 decoded bytes."""

    def __init__(self, coding: str, limit: int) -> None:
        self._coding = coding
        self._limit = limit
        self._size = 0
        self._inflater = zlib.decompressobj(_GZIP) if coding == "gzip" else None

    def feed(self, chunk: bytes) -> bytes:
        """Decode a chunk. Raises ApiError if it is not in this coding or the body exceeds `limit` decoded bytes."""
        parts = []
        try:
            while chunk:
                inflater = self._inflater or self._start(chunk)
                parts.append(inflater.decompress(chunk, self._limit + 1 - self._size))
                self._size += len(parts[-1])
                if self._size > self._limit:
                    raise api_errors.too_large(self._limit)
                chunk = self._next_member(inflater) if inflater.eof else inflater.unconsumed_tail
        except zlib.error:
            raise api_errors.broken_content(f"The body is not {self._coding} data") from None
        return b"".join(parts)

    def check_end(self) -> None:
        """Raises ApiError if the compressed data is not complete."""
        if self._inflater is None or not self._inflater.eof:
            raise api_errors.broken_content(f"The body ends before the {self._coding} data is complete")

    def _start(self, chunk: bytes) -> zlib._Decompress:
        """`deflate` means the zlib format, but some clients send the data without the zlib header."""
        self._inflater = zlib.decompressobj(_ZLIB if chunk[0] & 0x0F == _DEFLATE_METHOD else _RAW)
        return self._inflater

    def _next_member(self, inflater: zlib._Decompress) -> bytes:
        """Decode the data after the end of a gzip member; a body may have several members (RFC 1952, 2.2)."""
        rest = inflater.unused_data
        if rest and self._coding != "gzip":
            raise zlib.error
        if rest:
            self._inflater = zlib.decompressobj(_GZIP)
        return rest
