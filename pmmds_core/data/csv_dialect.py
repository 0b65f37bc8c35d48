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
# The number of rows that are compared with the header to choose the delimiter.
N_SAMPLED_ROWS = 20
# The line that specifies the delimiter for Excel.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


@dataclass(frozen=True)
class CsvDialect:
    """The delimiter and the header of a CSV file.

    `names` has the stripped column names, which are empty for columns without a name. `n_header_lines` is the number of
    lines up to the end of the header, which may contain line ends in quotes. `n_skipped` is the number of lines before
    the header, which are blank lines and `sep=;`. `n_blank` is the number of these lines that are empty.
    """

    delimiter: str
    names: tuple[str, ...]
    n_header_lines: int
    n_skipped: int = 0
    n_blank: int = 0


def dialect_of(lines: Sequence[str], delimiter: str = "") -> CsvDialect:
    """Choose the delimiter by comparing the header with the first rows.

    The best delimiter gives the rows as many cells as the header. If there are several such delimiters, the one with
    the most cells is chosen. If every row has one cell more than the header, one column has no name. This is the last
    column if its cells are always empty, because a delimiter ends the lines. Otherwise it is the first column, which
    holds row names, as in files that R's write.table creates.

    Args:
        lines: the first lines with their line ends, the header first.
        delimiter: the delimiter to use. If it is empty, the delimiter is detected.

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
        # A quoted name is followed by another delimiter.
        except csv.Error as error:
            problem = error
    if not candidates:
        raise problem
    best = max(candidates, key=lambda found: found.rank)
    return CsvDialect(best.delimiter, best.names, n_skipped + best.n_header_lines, n_skipped, n_blank)


@dataclass(frozen=True)
class _Candidate:
    """The first lines of a file, split at a delimiter.

    `fit` is 2 if the rows have as many cells as the header, and 1 if the rows also have row names.
    """

    delimiter: str
    names: tuple[str, ...]
    n_header_lines: int
    fit: int

    @property
    def rank(self) -> tuple[int, int, int]:
        """The rank of this candidate among the delimiters.

        A file without the delimiter always fits as a single column, so a single column is the last choice.
        """
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
    # The sample may end inside a quoted cell.
    except csv.Error:
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
    """Return True if the cells could be row names.

    The cells must all differ, and they must be quoted, text, or ascending whole numbers. If there is only one other
    column, the numbers must ascend by 1, because the 1 of an unquoted 1,5 is not a row name.
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
    """Return the problem with the column names, or an empty string if there is none."""
    if not any(names):
        return "line 1 has no column names"
    return ""
