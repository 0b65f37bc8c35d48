"""Limits the number of values in a JSON text by counting certain bytes before anything is decoded.

One byte of JSON can become fifty bytes of objects, so a limit in bytes limits neither memory nor time sufficiently. Not
here: decoding (request_bodies.py), the limits of the endpoints (limits.py).
"""

from __future__ import annotations

import msgspec

from pmmds_serving.api_errors import ApiError

_items = msgspec.json.Decoder(list[msgspec.Raw])
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def check_elements(body: bytes, most: int) -> None:
    """Raises ApiError if the text may contain more than `most` values.

    Counts commas and opening brackets, including those inside strings: one of them precedes every value except the
    outermost.
    """
    if body.count(b",") + body.count(b"{") + body.count(b"[") > most:
        errors = [f"The body has more than {most:,} commas, brackets and braces. Send fewer values in one request"]
        raise ApiError(413, "The request has too many values", "too_large", errors)


def n_items(body: bytes, name: str) -> int | None:
    """Length of the array under a key of the outermost object; None if there is no such array.

    Does not decode its elements.
    """
    try:
        array = _fields.decode(body).get(name)
        return None if array is None else len(_items.decode(array))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
