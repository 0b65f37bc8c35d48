"""Prints progress, tables and JSON. Not here: the content (commands/)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TextIO

import typer

from pmmds_cli.output.control_characters import JSON_ESCAPES, plain

# The largest number of a row, which is that of a 32-bit integer column.
MAX_ID = 2**31 - 1
LimitOption = Annotated[
    int, typer.Option("--limit", "-n", min=1, max=1_000_000, help="Maximum number of rows, newest first.")
]
ByOption = Annotated[str, typer.Option("--by", help="Your name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON value on standard output.")]


def print_json(value: Any) -> None:
    import json

    print(json.dumps(value, indent=2, default=str, ensure_ascii=False).translate(JSON_ESCAPES))


def print_text(text: str) -> None:
    """Print a result that contains stored texts."""
    print(plain(text))


def say(sentence: str, *, to: TextIO | None = None) -> None:
    """Print progress to standard error, because standard output is for results."""
    print(plain(sentence), file=to or sys.stderr, flush=True)


def terminal_width(off_terminal: int = 120) -> int:
    """Columns of the terminal or of the variable COLUMNS; `off_terminal` without either, such as in a pipe."""
    import shutil

    return shutil.get_terminal_size((off_terminal, 24)).columns


def print_table(
    rows: Sequence[Mapping[str, Any]], *, empty: str, title: str = "", detail: str = "", width: int = 120
) -> None:
    """Print rows as a table that fits the terminal, or `empty` when there are none.

    `detail`: a column of long texts. If the table would be too wide, each is printed below its row instead.
    `width`: columns of the table without a terminal.
    """
    if not rows:
        print(empty)
        return
    columns = terminal_width(width)
    if detail and _natural_width(rows) > columns:
        _print_with_details(rows, detail, columns)
        return
    for line in _table_lines(rows, columns, title):
        print(line)


def _print_with_details(rows: Sequence[Mapping[str, Any]], detail: str, width: int) -> None:
    import textwrap

    short = [{name: value for name, value in row.items() if name != detail} for row in rows]
    if _natural_width(short) > width:  # a row takes several lines, so that each is printed as its own table
        short_lines = [_table_lines([row], width) for row in short]
    else:
        head, *lines = _table_lines(short, width)
        print(head)
        short_lines = [[line] for line in lines]
    for row, lines in zip(rows, short_lines, strict=True):
        print("\n".join(lines))
        if row[detail]:
            print(textwrap.fill(plain(str(row[detail])), width, initial_indent="    ", subsequent_indent="    "))


def _natural_width(rows: Sequence[Mapping[str, Any]]) -> int:
    """The width of the table with one line for each row."""
    from rich.cells import cell_len

    widths = [max(cell_len(str(name)), *(cell_len(_cell(row[name])) for row in rows)) for name in rows[0]]
    return sum(widths) + len(widths) - 1


def _table_lines(rows: Sequence[Mapping[str, Any]], width: int, title: str = "") -> list[str]:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=plain(title) or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        numeric = all(isinstance(r[name], int | float) and not isinstance(r[name], bool) for r in rows)
        table.add_column(plain(str(name)), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(v) for v in row.values()))
    console = Console(width=width, highlight=False, markup=False, emoji=False, legacy_windows=False)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4f}" if isinstance(value, float) else plain(str(value))
