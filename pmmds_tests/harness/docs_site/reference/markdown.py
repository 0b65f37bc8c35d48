"""Markdown tables and text of generated pages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence


def page(title: str, source: str, *parts: str) -> str:
    """A page with its title and a sentence that names the source of its content."""
    note = f"This page is generated from {source} when the site is built."
    return "\n\n".join([f"# {title}", note, *(p for p in parts if p)]) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; cells are escaped and put on one line."""
    lines = [line(header), line(["---"] * len(header)), *(line([cell(c) for c in row]) for row in rows)]
    return "\n".join(lines)


def line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def cell(value: object) -> str:
    return re.sub(r"\s+", " ", escaped(str(value))).strip()


def escaped(text: str) -> str:
    """`text` without characters that would start HTML or end a table cell. Code between backticks keeps `<`."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(p if i % 2 else p.replace("<", "&lt;").replace("*", "\\*") for i, p in enumerate(parts))


def code(value: object) -> str:
    """`value` as inline code, or nothing if it is empty."""
    return f"`{value}`" if str(value) else ""


def docstring(value: object) -> str:
    """The docstring in a code block, which keeps its sections Args and Raises as written."""
    text = inspect.getdoc(value) or ""
    return f"```text\n{text}\n```" if text else ""
