"""The position of a page as opaque text: the keys of its last row, bound to the list and its filters.

A cursor holds nothing that the page does not show, so it is not signed. Not here: the query
(stores/database/keyset.py).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from pmmds.resources import ParameterProblem
from pmmds_console.api.parameters import RowId
from pmmds_console.problems import invalid_parameters
from pmmds_core.stores.database.keyset import Keys

_VERSION = 1


def list_digest(path: str, filters: Mapping[str, Any]) -> str:
    """Identifies a list and its filters."""
    text = msgspec.json.encode([path, sorted((k, str(v)) for k, v in filters.items() if v is not None)])
    return hashlib.sha256(text).hexdigest()[:12]


def encode(digest: str, after: Keys) -> str:
    """The cursor after the row with these keys."""
    raw = msgspec.json.encode([_VERSION, digest, list(after)])
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(cursor: str | None, digest: str, keys: Sequence[sa.Column[Any]]) -> Keys | None:
    """The keys in a cursor; None without one.

    Raises:
        ProblemError: 422; it is not a cursor of this list and these filters.
    """
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        version, of_list, values = msgspec.json.decode(raw, type=tuple[int, str, list[Any]])
        if (version, of_list) == (_VERSION, digest) and len(values) == len(keys):
            return tuple(map(_key, values, keys))
    except (UnicodeEncodeError, binascii.Error, msgspec.MsgspecError, ValueError, OverflowError):
        pass  # reported below
    problem = "is not from a page of this list with the same filters; start again without it"
    raise invalid_parameters([ParameterProblem("cursor", problem)])


def _key(value: Any, column: sa.Column[Any]) -> Any:
    if isinstance(column.type, sa.Integer):
        return msgspec.convert(value, RowId)
    if isinstance(column.type, sa.String):
        text = msgspec.convert(value, str)
        if "\0" in text:
            raise ValueError("NUL")
        return text
    instant = msgspec.convert(value, datetime)
    return instant.astimezone(UTC)
