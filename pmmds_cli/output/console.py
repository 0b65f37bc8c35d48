"""Prints progress, tables and JSON. Not here: the content (commands/)."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TextIO

import typer

LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="Maximum number of rows, newest first.")]
ByOption = Annotated[str, typer.Option("--by", help="Your name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON value on standard output.")]


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def say(sentence: str, *, to: TextIO | None = None) -> None:
    """Print progress to standard error, because standard output is for results."""
    print(sentence, file=to or sys.stderr, flush=True)


def print_table(rows: Sequence[Mapping[str, Any]], *, empty: str, title: str = "", width: int = 120) -> None:
    """Print rows as a table that fits the terminal, or `empty` when there are none.

    `width` is the table's width in columns if standard output is not a terminal.
    """
    if not rows:
        print(empty)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        numeric = all(isinstance(r[name], int | float) and not isinstance(r[name], bool) for r in rows)
        table.add_column(str(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(v) for v in row.values()))
    Console(width=None if sys.stdout.isatty() else width, highlight=False).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
