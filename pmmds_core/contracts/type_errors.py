"""Messages for type errors in a contract, with the expected type and the value found.

Extend this module if contract.py uses a new kind of type. Not here: checks across fields (checks.py).
"""

from __future__ import annotations

import difflib
import re
from typing import Any

import msgspec
from msgspec import inspect

_UNKNOWN = re.compile(r"unknown field `(.+)`")
_MISSING = re.compile(r"missing required field `(.+)`")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def explain(error: msgspec.ValidationError, kind: type, data: Any) -> tuple[str, str]:
    """Return the path of the mistake, such as `$.features[3].kind`, and a message.

    Args:
        error: raised by msgspec.convert(data, kind).
        kind: the requested type.
        data: the converted data.
    """
    message, _, place = str(error).partition(" - at `")
    path = place.rstrip("`") or "$"
    if unknown := _UNKNOWN.search(message):
        return f"{path}.{unknown.group(1)}", _unknown_field(unknown.group(1), _type_at(kind, path))
    if missing := _MISSING.search(message):
        return path, f"the field {missing.group(1)!r} is missing"
    return path, f"expected {_describe(_type_at(kind, path))}, found {_describe_value(_value_at(data, path))}"


def _unknown_field(name: str, owner: inspect.Type) -> str:
    known = [f.name for f in owner.fields] if isinstance(owner, inspect.StructType) else []
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown field {name!r}.{hint} Known fields: {', '.join(known)}"


def _steps(path: str) -> list[str | int]:
    return [int(index) if index else name for name, index in _STEP.findall(path)]


def _type_at(kind: type, path: str) -> inspect.Type:
    node = inspect.type_info(kind)
    for step in _steps(path):
        node = _inside(_bare(node), step)
    return node


def _inside(owner: inspect.Type, step: str | int) -> inspect.Type:
    if isinstance(owner, inspect.StructType):
        return next(f.type for f in owner.fields if f.name == step)
    if isinstance(owner, inspect.VarTupleType):
        return owner.item_type
    raise TypeError(f"{owner} has no {step!r}")


def _bare(kind: inspect.Type) -> inspect.Type:
    """Return the type without annotations. For `X | None`, return X."""
    if isinstance(kind, inspect.Metadata):
        return _bare(kind.type)
    if isinstance(kind, inspect.UnionType):
        types = [t for t in kind.types if not isinstance(t, inspect.NoneType)]
        return _bare(types[0]) if len(types) == 1 else kind
    return kind


def _value_at(data: Any, path: str) -> Any:
    for step in _steps(path):
        data = data[step]
    return data


def _describe(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata) and (kind.extra_json_schema or {}).get("description"):
        return str((kind.extra_json_schema or {})["description"])
    kind = _bare(kind)
    if isinstance(kind, inspect.UnionType):
        return " or ".join(_describe(t) for t in kind.types if not isinstance(t, inspect.NoneType))
    if isinstance(kind, inspect.LiteralType):
        return ("one of: " if len(kind.values) > 1 else "") + ", ".join(map(str, kind.values))
    if isinstance(kind, inspect.StructType):
        return "a mapping with the fields " + ", ".join(f.name for f in kind.fields)
    return _describe_plain(kind)


def _describe_plain(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.IntType):
        return "a whole number" + _limits(kind)
    if isinstance(kind, inspect.FloatType):
        return "a number" + _limits(kind)
    if isinstance(kind, inspect.VarTupleType):
        return "a list" + (" with at least one entry" if kind.min_length else "")
    return "text" + (", not empty" if isinstance(kind, inspect.StrType) and kind.min_length else "")


def _limits(kind: inspect.IntType | inspect.FloatType) -> str:
    low = "" if kind.ge is None else f" from {kind.ge:g}"
    return low + ("" if kind.le is None else f" to {kind.le:g}")


def _describe_value(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "a mapping" if isinstance(value, dict) else repr(value)
