"""YAML read with line numbers, so that a mistake in a contract is told with its place.

Scalars stay text here (`No` is not a boolean); the contract's types convert them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

from pmmds_core.errors import ContractError


@dataclass(frozen=True)
class LinedDocument:
    """Plain data, and the line (from 1) of each path such as `$.features[3].minimum`."""

    data: Any
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int:
        """The line of `path`, or of its nearest parent that has one."""
        while path and path not in self.lines:
            cut = max(path.rfind("."), path.rfind("["))
            path = path[:cut] if cut > 0 else ""
        return self.lines.get(path, 1)


# Deeper than any contract; an alias that contains itself would have no end.
MAX_DEPTH = 12
# A few aliases of aliases can stand for billions of values.
MAX_VALUES = 100_000


def read_lined(text: str, name: str) -> LinedDocument:
    """Parse `text`.

    Raises:
        ContractError: not YAML, or a key stands twice; names file and line.
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
    """Turns YAML nodes into plain data and notes the line of each."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[str, int] = {}

    def plain(self, node: yaml.Node | None, path: str, depth: int = 0) -> Any:
        if node is None:
            return None
        line = self.lines.setdefault(path, node.start_mark.line + 1)
        if depth > MAX_DEPTH or len(self.lines) > MAX_VALUES:
            raise ContractError(f"{self.name}, line {line}: nested too deeply, or too many values, for a contract.")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(node.value)]
        return None if node.tag == "tag:yaml.org,2002:null" else str(node.value)

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ContractError(f"{self.name}, line {line}: expected a field's name before the colon.")
            key = str(key_node.value)
            if key in found:
                raise ContractError(
                    f"{self.name}, line {line}: the key {key!r} stands twice.", next_step="Keep one of them."
                )
            self.lines[f"{path}.{key}"] = line
            found[key] = self.plain(value_node, f"{path}.{key}", depth + 1)
        return found
