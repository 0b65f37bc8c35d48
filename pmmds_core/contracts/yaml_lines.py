"""Parses YAML with line numbers for error messages about contracts.

Scalars stay text, so `No` is not a boolean. They are converted by the types of the contract (contract.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from pmmds_core.errors import ContractError


@dataclass(frozen=True)
class LinedDocument:
    """Plain data with the line number, counted from 1, of each path, such as `$.features[3].minimum`."""

    data: Any
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int:
        """Return the line of `path`, or the line of its nearest ancestor whose line is known."""
        while path and path not in self.lines:
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        return self.lines.get(path, 1)


# This is deeper than any real contract. The limit is needed because an alias that contains itself is infinitely deep.
MAX_DEPTH = 12
# Nested aliases can expand to billions of values.
MAX_VALUES = 100_000


def read_lined(text: str, name: str) -> LinedDocument:
    """Parse `text`.

    Raises:
        ContractError: the YAML is invalid or has a duplicate key. The message names the file and line.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ContractError(f"{name}, {_place(error, text)}: not valid YAML: {_reason(error)}.") from None
    reader = _Reader(name)
    return LinedDocument(reader.plain(root, "$"), reader.lines)


def _place(error: yaml.YAMLError, text: str) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return f"line {mark.line + 1}"
    return f"line {text.count(chr(10), 0, getattr(error, 'position', 0)) + 1}"


def _reason(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or "not readable")


class _Reader:
    """A constructor that converts YAML nodes to plain data and records the line of each node."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[str, int] = {}

    def plain(self, node: yaml.Node | None, path: str, depth: int = 0) -> Any:
        if node is None:
            return None
        line = self.lines.setdefault(path, node.start_mark.line + 1)
        if depth > MAX_DEPTH or len(self.lines) > MAX_VALUES:
            raise ContractError(f"{self.name}, line {line}: nested too deeply or too many values for a contract.")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(node.value)]
        return None if node.tag == "tag:yaml.org,2002:null" else str(node.value)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ContractError(f"{self.name}, line {line}: expected a field name before the colon.")
            key = str(key_node.value)
            if key in mapping:
                raise ContractError(
                    f"{self.name}, line {line}: duplicate key {key!r}.", next_step="Remove one of them."
                )
            self.lines[f"{path}.{key}"] = line
            mapping[key] = self.plain(value_node, f"{path}.{key}", depth + 1)
        return mapping
