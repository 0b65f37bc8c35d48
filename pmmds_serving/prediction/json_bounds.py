"""How much a JSON text may hold, counted at the speed of memory before any value of it is made.

A byte of JSON can become fifty of objects, so a limit of bytes bounds neither memory nor time. Keep out: decoding
(request_bodies.py), and the limits of the endpoints (limits.py).
"""

from __future__ import annotations

import msgspec

from pmmds_serving.prediction.api_errors import ApiError

_items = msgspec.json.Decoder(list[msgspec.Raw])
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def check_elements(body: bytes, most: int) -> None:
    """Raises ApiError when the text may hold more than `most` values.

    Each value but the first has a comma before it or is the first of its array or object; those in texts count too.
    """
    if body.count(b",") + body.count(b"{") + body.count(b"[") > most:
        errors = [f"The body has more than {most:,} commas, brackets and braces. Send less in one request"]
        raise ApiError(413, "The request holds too many values", "too_large", errors)


def n_items(body: bytes, name: str) -> int | None:
    """How many elements the array under a key of the outermost object has; None when there is no such array.

    The elements are not made: each stays the bytes that it is.
    """
    try:
        found = _fields.decode(body).get(name)
        return None if found is None else len(_items.decode(found))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
