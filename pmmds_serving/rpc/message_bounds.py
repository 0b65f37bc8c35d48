"""Counts the elements of a Protocol Buffers message in its encoded bytes, before decoding.

Two bytes can encode an element of a repeated field, which becomes hundreds of bytes of objects. Not here: the messages
(convert.py), the limits (prediction/limits.py).
"""

from __future__ import annotations

from pmmds_core.contracts.request_validator import MESSAGE
from pmmds_serving.api_errors import ApiError

_LENGTH_DELIMITED = 2
# Tag of field 1, length-delimited: its one-byte encoding, and the first byte of its longer encodings.
_TAG, _LONG_TAG = b"\x0a", b"\x8a"
_FIXED_BYTES = {1: 8, 5: 4}
# Maximum number of other top-level fields; a valid message contains each of them once.
_MAX_OTHERS = 16


class BrokenMessageError(ValueError):
    """Raised if the bytes are not a valid message."""


def n_elements(data: bytes, field: int, most: int) -> int:
    """Count the elements of a repeated message field of the outermost message, up to `most` + 1.

    Raises:
        BrokenMessageError: the bytes end inside a field, contain a group, or have too many other fields.
    """
    position = n_found = others = 0
    while position < len(data) and n_found <= most:
        tag, position = _varint(data, position)
        kind = tag & 7
        if tag >> 3 == field and kind == _LENGTH_DELIMITED:
            n_found += 1
        else:
            others += 1
        if kind == _LENGTH_DELIMITED:
            length, position = _varint(data, position)
            position += length
        elif kind == 0:
            _, position = _varint(data, position)
        elif kind in _FIXED_BYTES:
            position += _FIXED_BYTES[kind]
        else:  # a group, which the service's messages never contain
            raise BrokenMessageError
        if others > _MAX_OTHERS:
            raise BrokenMessageError
    if position > len(data):
        raise BrokenMessageError
    return n_found


def check_nested(data: bytes, most: int) -> None:
    """Raises ApiError if the occurrences of field 1 may contain more than `most` nested messages.

    Counts every byte that can start such a field, including bytes of strings and numbers.
    """
    if data.count(_TAG) + data.count(_LONG_TAG) > most:
        raise too_many_elements(most)


def too_many_elements(most: int) -> ApiError:
    errors = [f"The message has more than {most:,} elements. Send fewer elements in one request"]
    return ApiError(413, MESSAGE, "too_large", errors)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Decode the varint at a position; return it and the position after it. Raises BrokenMessageError."""
    value = shift = 0
    for byte in data[position : position + 10]:
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise BrokenMessageError
