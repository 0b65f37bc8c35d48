"""How many elements a Protocol Buffers message holds, counted on its bytes before anything is made of them.

Two bytes can be an element of a repeated field, which becomes hundreds of bytes of objects. Keep out: the messages
(convert.py) and the limits (prediction/limits.py).
"""

from __future__ import annotations

from pmmds_core.contracts.request_validator import MESSAGE
from pmmds_serving.prediction.api_errors import ApiError

_LENGTH_DELIMITED = 2
# Field 1 with a length: a tag of one byte, and the first byte of the longer spellings of the same tag.
_TAG, _LONG_TAG = b"\x0a", b"\x8a"
_FIXED_BYTES = {1: 8, 5: 4}
# Outermost fields beside the repeated one; a message has each once.
_MAX_OTHERS = 16


class BrokenMessageError(ValueError):
    """The bytes are no message."""


def n_elements(data: bytes, field: int, most: int) -> int:
    """How many elements the outermost message has in a repeated field of messages; counting ends at `most` + 1.

    Raises:
        BrokenMessageError: the bytes end in the middle of a field, or hold one of an unknown kind or many others.
    """
    position = found = others = 0
    while position < len(data) and found <= most:
        tag, position = _varint(data, position)
        kind = tag & 7
        if tag >> 3 == field and kind == _LENGTH_DELIMITED:
            found += 1
        else:
            others += 1
        if kind == _LENGTH_DELIMITED:
            length, position = _varint(data, position)
            position += length
        elif kind == 0:
            _, position = _varint(data, position)
        elif kind in _FIXED_BYTES:
            position += _FIXED_BYTES[kind]
        else:  # a group: no client of ours sends one
            raise BrokenMessageError
        if others > _MAX_OTHERS:
            raise BrokenMessageError
    if position > len(data):
        raise BrokenMessageError
    return found


def check_nested(data: bytes, most: int) -> None:
    """Raises ApiError when messages in messages, each in field 1, may be more than `most`.

    Each begins with one of two bytes; where they are part of a text or a number they count too.
    """
    if data.count(_TAG) + data.count(_LONG_TAG) > most:
        raise too_many_elements(most)


def too_many_elements(most: int) -> ApiError:
    errors = [f"The message holds more than {most:,} elements. Send less in one request"]
    return ApiError(413, MESSAGE, "too_large", errors)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number and the position after it. Raises BrokenMessageError."""
    value = shift = 0
    for byte in data[position : position + 10]:
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise BrokenMessageError
