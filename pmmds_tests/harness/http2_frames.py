"""Builds HTTP/2 frames and HPACK header fields as bytes, for requests that no client library sends.

Not here: the floods (serving/faults/test_metadata_floods.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

DATA, HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 0x0, 0x1, 0x3, 0x4, 0x6, 0x9
ACK, END_STREAM, END_HEADERS = 0x1, 0x1, 0x4
MAX_FRAME_BYTES = 16_384


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one frame. `stream` is odd for a client's stream and 0 for the connection."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


# A client's connection starts with the preface and an empty SETTINGS frame.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)


def field(name: bytes, value: bytes, *, indexed: bool = False) -> bytes:
    """Return a literal header field. With `indexed`, the receiver adds it to its dynamic table."""
    return (b"\x40" if indexed else b"\x00") + _text(name) + _text(value)


def reference(index: int) -> bytes:
    """Return the header field with an index.

    The indexes 1 to 61 are static, and 62 is the dynamic table's newest entry.
    """
    return _number(index, 7, 0x80)


def call_fields(method: str, more: Mapping[bytes, bytes] | None = None) -> bytes:
    """Return the header block of a gRPC call with metadata and a path such as `/package.Service/Method`."""
    fields = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": method.encode(),
        b":authority": b"here",
        b"te": b"trailers",
        b"content-type": b"application/grpc",
        **(more or {}),
    }
    return b"".join(field(name, value) for name, value in fields.items())


def headers(stream: int, block: bytes, *, end_stream: bool = False, end_headers: bool = True) -> bytes:
    """Return a header block as one HEADERS frame and the necessary CONTINUATION frames."""
    pieces = [block[i : i + MAX_FRAME_BYTES] for i in range(0, len(block), MAX_FRAME_BYTES)] or [b""]
    last = END_HEADERS if end_headers else 0
    kinds = [HEADERS, *[CONTINUATION] * (len(pieces) - 1)]
    flags = [0] * (len(pieces) - 1) + [last]
    flags[0] |= END_STREAM if end_stream else 0
    return b"".join(frame(k, f, stream, p) for k, f, p in zip(kinds, flags, pieces, strict=True))


def streams(n_streams: int) -> Iterable[int]:
    """Return the ids of a client's first streams."""
    return range(1, 2 * n_streams, 2)


def _text(value: bytes) -> bytes:
    return _number(len(value), 7, 0) + value


def _number(value: int, prefix_bits: int, first: int) -> bytes:
    """Encode an integer (RFC 7541, section 5.1)."""
    largest = (1 << prefix_bits) - 1
    if value < largest:
        return bytes([first | value])
    encoded, value = bytes([first | largest]), value - largest
    while value > 0x7F:
        encoded, value = encoded + bytes([value & 0x7F | 0x80]), value >> 7
    return encoded + bytes([value])
