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


def read_lined(text: str, name: str) -> LinedDocument:
    """Parse `text`.

    Raises:
        ContractError: not YAML, or a key stands twice; names file and line.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or "not readable"
        raise ContractError(f"{name}, line {line}: not valid YAML: {problem}.") from None
    lines: dict[str, int] = {}
    data = _plain(root, "$", lines, name)
    return LinedDocument(data, lines)


def _plain(node: yaml.Node | None, path: str, lines: dict[str, int], name: str) -> Any:
    if node is None:
        return None
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, name)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, f"{path}[{i}]", lines, name) for i, item in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)
    if node.tag == "tag:yaml.org,2002:null":
        return None
    return str(node.value)


def _mapping(node: yaml.MappingNode, path: str, lines: dict[str, int], name: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        line = key_node.start_mark.line + 1
        if key in found:
            raise ContractError(f"{name}, line {line}: the key {key!r} stands twice.", next_step="Keep one of them.")
        found[key] = _plain(value_node, f"{path}.{key}", lines, name)
        lines[f"{path}.{key}"] = line
    return found
