"""Markdown tables and text of generated pages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence

_SECTION = re.compile(r"(Args|Raises|Returns|Attributes):\n")


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
    return one_line(escaped(str(value)).replace("|", "\\|"))


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def escaped(text: str) -> str:
    """`text` without characters that would start HTML or emphasis. Code between backticks stays as written."""
    parts = text.split("`")
    return "`".join(p if i % 2 else p.replace("<", "&lt;").replace("*", "\\*") for i, p in enumerate(parts))


def code(value: object) -> str:
    """`value` as inline code, or nothing if it is empty."""
    return f"`{value}`" if str(value) else ""


def docstring(value: object) -> str:
    """The docstring as Markdown: paragraphs, and the sections Args and Raises as lists."""
    parts = (inspect.getdoc(value) or "").split("\n\n")
    return "\n\n".join(section(part) if _SECTION.match(part) else paragraph(part) for part in parts if part)


def paragraph(text: str) -> str:
    """A paragraph; indented text stays as written, because it is code."""
    return text if text.startswith("    ") else escaped(text)


def section(text: str) -> str:
    """A section of a docstring as a list with one item per name."""
    title, _, items = text.partition("\n")
    found = re.split(r"\n    (?! )", "\n" + items)[1:]
    lines = [f"- {one_line(escaped(item))}" for item in found]
    return "\n".join([f"**{title.removesuffix(':')}**", "", *lines])
