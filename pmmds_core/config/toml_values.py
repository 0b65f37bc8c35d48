"""Values of `pmmds.toml`: the TOML types that a setting accepts, their names in messages, and relative paths.

Not here: the types of settings (values.py), reading the file (config_file.py).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from urllib.parse import quote

from pmmds_core.config.values import expected, metas

_UNQUOTED = " without quotes"
_KINDS = {
    "int": f"a whole number{_UNQUOTED}",
    "float": f"a number{_UNQUOTED}",
    "str": "text in quotes",
    "bool": "true or false",
    "date": "a day such as 2000-01-01",
    "array": "a list",
    "object": "a table",
}
_SQLITE = re.compile(r"^(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)([^?].*)$", re.DOTALL)


def native(value: Any, kind: Any) -> Any:
    """Convert a TOML value to the form of its setting. True becomes "on", and a list becomes comma-separated text."""
    if isinstance(value, bool) and {"on", "off"} <= set(_choices(kind)):
        return "on" if value else "off"
    if isinstance(value, list) and _extra(kind, "is_list") and all(isinstance(part, str) for part in value):
        return ", ".join(value)
    return value


def expected_form(kind: Any, message: str) -> str:
    """Reword a msgspec message, for example as `expected a whole number without quotes, not text in quotes`."""
    text = expected(kind, message)
    text = re.sub(r", got (\w+)$", lambda m: f", not {_KINDS.get(m[1], m[1])}".removesuffix(_UNQUOTED), text)
    return re.sub(r"^expected (int|float|str|bool|date)\b", lambda m: f"expected {_KINDS[m[1]]}", text)


def with_absolute_path(value: Any, kind: Any, folder: Path, *, is_path: bool) -> Any:
    """Make a relative path, or the path in a relative SQLite URL, absolute. Any other value is returned unchanged.

    Args:
        value: the value of a setting.
        kind: its type, whose `extra` has `path` if the value is a path.
        folder: the folder that relative paths start from.
        is_path: True if the value is a path regardless of `kind`.
    """
    if not isinstance(value, str) or not value:
        return value
    if sqlite := _SQLITE.match(value):
        return f"{sqlite[1]}{quote(str(folder))}/{sqlite[2]}"
    is_relative_to_file = (is_path or _extra(kind, "path")) and "://" not in value
    return str(folder / Path(value).expanduser()) if is_relative_to_file else value


def _choices(kind: Any) -> tuple[Any, ...]:
    literal = next((k for k in (kind, *get_args(kind)) if get_origin(k) is Literal), None)
    return () if literal is None else get_args(literal)


def _extra(kind: Any, name: str) -> bool:
    return any(m.extra and m.extra.get(name) for m in metas(kind))
