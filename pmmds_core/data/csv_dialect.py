"""The delimiter and the column names of a CSV file, from its first lines.

Not here: counting its rows (stores/files/csv_shape.py) and reading its cells (text_table.py, DuckDB).
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

DELIMITERS = (",", ";", "\t", "|")
# Rows that are compared with the header to choose the delimiter.
N_SAMPLED_ROWS = 20


@dataclass(frozen=True)
class CsvDialect:
    """`names`: stripped; empty for a column without a name. `n_header_lines`: a quoted name may contain line ends."""

    delimiter: str
    names: tuple[str, ...]
    n_header_lines: int


def dialect_of(lines: Sequence[str], delimiter: str = "") -> CsvDialect:
    """Choose the delimiter with which the first rows have as many cells as the header; of several, the one with most.

    A header with one name fewer than every row has (as R's write.table writes row names) gets an unnamed first column.

    Args:
        lines: the first lines with their line ends, the header first.
        delimiter: the delimiter to use; empty: detect it.

    Raises:
        csv.Error: a quote in the header is not closed.
    """
    if delimiter:
        return _dialect(lines, delimiter)[0]
    candidates: list[tuple[CsvDialect, int]] = []
    problem = csv.Error("no line")
    for mark in DELIMITERS:
        try:
            candidates.append(_dialect(lines, mark))
        except csv.Error as error:  # a quoted name followed by another delimiter
            problem = error
    if not candidates:
        raise problem
    return max(candidates, key=lambda found: (found[1], len(found[0].names)))[0]


def _dialect(lines: Sequence[str], delimiter: str) -> tuple[CsvDialect, int]:
    """The dialect, and 2 if every sampled row has the header's cells, more than one; 1 with row names; else 0."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    names = tuple(name.strip() for name in next(row for row in reader if row))
    n_header_lines = reader.line_num
    widths = set()
    try:
        for _, row in zip(range(N_SAMPLED_ROWS), (row for row in reader if row), strict=False):
            widths.add(len(row))
    except csv.Error:  # the sample may end inside a quoted cell
        pass
    if widths == {len(names) + 1} and all(names):
        return CsvDialect(delimiter, ("", *names), n_header_lines), 1
    return CsvDialect(delimiter, names, n_header_lines), 2 if len(names) > 1 and widths <= {len(names)} else 0


def name_problem(names: Sequence[str]) -> str:
    """What is wrong with the names, or nothing."""
    if not any(names):
        return "line 1 has no column names"
    return ""
