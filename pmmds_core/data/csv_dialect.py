"""Detects the delimiter and the column names of a CSV file from its first lines.

Not here: counting its rows (stores/files/csv_shape.py) and reading its cells (text_table.py, DuckDB).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

DELIMITERS = (",", ";", "\t", "|")
# Number of rows that are compared with the header to choose the delimiter.
N_SAMPLED_ROWS = 20
# The line that specifies the delimiter for Excel.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


@dataclass(frozen=True)
class CsvDialect:
    """The delimiter and the header of a CSV file.

    `names`: stripped; empty for a column without a name. `n_header_lines`: number of lines up to the end of the header,
    which may contain line ends in quotes. `n_skipped`: number of lines before the header (blank lines and `sep=;`).
    `n_blank`: number of empty lines among these.
    """

    delimiter: str
    names: tuple[str, ...]
    n_header_lines: int
    n_skipped: int = 0
    n_blank: int = 0


def dialect_of(lines: Sequence[str], delimiter: str = "") -> CsvDialect:
    """Choose the delimiter that gives the first rows as many cells as the header, and of several the one with most.

    If every row has one cell more than the header, that cell is the last if it is always empty (a delimiter ends the
    lines), or the first if it holds row names, as R's write.table writes them. Either column has no name.

    Args:
        lines: the first lines with their line ends, the header first.
        delimiter: the delimiter to use; empty: detect it.

    Raises:
        csv.Error: a quote in the header is not closed.
    """
    start = next((i for i, line in enumerate(lines) if line.strip()), 0)
    n_blank = sum(not line.strip("\r\n") for line in lines[:start])
    separator = _SEPARATOR_LINE.fullmatch(lines[start].strip()) if lines else None
    n_skipped = start + bool(separator)
    delimiters = delimiter or (separator[1] if separator else DELIMITERS)
    candidates: list[_Candidate] = []
    problem = csv.Error("no line")
    for mark in delimiters:
        try:
            candidates.append(_candidate(lines[n_skipped:], mark))
        except csv.Error as error:  # a quoted name followed by another delimiter
            problem = error
    if not candidates:
        raise problem
    best = max(candidates, key=lambda found: found.rank)
    return CsvDialect(best.delimiter, best.names, n_skipped + best.n_header_lines, n_skipped, n_blank)


@dataclass(frozen=True)
class _Candidate:
    """The first lines split at a delimiter. `fit`: 2 if rows have the header's number of cells, 1 with row names."""

    delimiter: str
    names: tuple[str, ...]
    n_header_lines: int
    fit: int

    @property
    def rank(self) -> tuple[int, int, int]:
        """A file without the delimiter always fits as a single column, so a single column is the last choice."""
        n_names = len(self.names)
        return (self.fit if n_names > 1 else 0, n_names, self.fit)


def _candidate(lines: Sequence[str], delimiter: str) -> _Candidate:
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = next((row for row in reader if row), None)
    if header is None:
        raise csv.Error("no line")
    names = tuple(name.strip() for name in header)
    n_header_lines = reader.line_num
    rows: list[list[str]] = []
    try:
        for _, row in zip(range(N_SAMPLED_ROWS), (row for row in reader if row), strict=False):
            rows.append(row)
    except csv.Error:  # the sample may end inside a quoted cell
        pass
    widths = {len(row) for row in rows}
    if widths == {len(names) + 1} and all(names):
        if not any(row[-1].strip() for row in rows):
            return _Candidate(delimiter, (*names, ""), n_header_lines, 2)
        is_quoted = lines[n_header_lines].startswith('"')
        if _are_row_names([row[0] for row in rows], is_quoted=is_quoted, is_only=len(names) == 1):
            return _Candidate(delimiter, ("", *names), n_header_lines, 1)
    return _Candidate(delimiter, names, n_header_lines, 2 if widths <= {len(names)} else 0)


def _are_row_names(cells: Sequence[str], *, is_quoted: bool, is_only: bool) -> bool:
    """True for cells that all differ and are quoted, text, or ascending whole numbers.

    Numbers next to a single column must ascend by 1, because the 1 of an unquoted 1,5 is not a row name.
    """
    if len(set(cells)) < len(cells):
        return False
    if is_quoted or not any(re.fullmatch(r"[+-]?[0-9]*", cell.strip()) for cell in cells):
        return True
    if not all(cell.isdecimal() for cell in cells):
        return False
    steps = [int(b) - int(a) for a, b in pairwise(cells)]
    return all(step == 1 for step in steps) if is_only else all(step > 0 for step in steps)


def name_problem(names: Sequence[str]) -> str:
    """The problem with the column names; empty if there is none."""
    if not any(names):
        return "line 1 has no column names"
    return ""
