"""Infers which of the label's two values is class 1.

For any other label, the error shows a command that creates a label with two values. Not here: the words for each class
that files may use (contracts/label_words.py).
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pmmds_core.contract_inference.draft import LabelDraft
from pmmds_core.contract_inference.names import snake_name
from pmmds_core.contracts.cells import WORDS_FOR_NULL, decimal_text
from pmmds_core.contracts.checks import RESERVED_NAMES
from pmmds_core.contracts.contract import Label
from pmmds_core.data.text_table import N_EXAMPLES, TextTable
from pmmds_core.errors import InputFileError
from pmmds_core.runtime.plurals import counted
from pmmds_core.stores.files.csv_shape import shape_of_csv
from pmmds_core.stores.files.file_options import reject_unknown

if TYPE_CHECKING:
    from pmmds_core.data.text_table import Cells

WORDS_FOR_POSITIVE = frozenset(
    {"1", "true", "yes", "y", "t", "positive", "pos", "bad", "fraud", "churned", "default", "+"}
)
# Words for a missing value that are a class of the label if the column has exactly one other value.
WORDS_FOR_A_CLASS = frozenset({"-", "none", "nil", "missing"})


def infer_label(table: TextTable, path: Path, column: str, positive: str = "") -> LabelDraft:
    """Infer the label from a column with two values.

    Args:
        table: the file's cells.
        path: the file, for messages.
        column: the label's column in the file.
        positive: the value of class 1. If it is empty, a usual word for this class, such as yes, is looked for, and
            otherwise the rarer value is used.

    Raises:
        InputFileError: the column is missing, has blank cells, does not have exactly two values, or does not have the
            value `positive`.
    """
    reject_unknown([column], table.columns, str(path))
    cells = table.columns[column]
    _reject_blanks(table, path, column)
    values = _values(cells)
    if len(values) != 2:
        raise _not_binary(path, column, values)
    one = _positive(values, positive, path, column)
    zero = next(value for value in values if value != one)
    name = snake_name(column, "label")
    name = f"{name[:42]}_label" if name in RESERVED_NAMES - {"label"} else name
    label = Label(name=name, source=column, positive=one, negative=zero, description=f"The column {column}.")
    codes = {cell: int(_folded(cell) == _folded(one)) for cell in set(cells)}
    why = "--positive" if positive else "a usual word for it" if _is_usual(one, values) else "the rarer value"
    counts = " and ".join(f"{value!r} in {counted(n, 'row')}" for value, n in values.items())
    evidence = f"{counts}; {one!r} is class 1 ({why})"
    return LabelDraft(label, evidence, codes, values[one] / len(cells))


def _reject_blanks(table: TextTable, path: Path, column: str) -> None:
    cells = table.columns[column]
    words_for_null = WORDS_FOR_NULL - (WORDS_FOR_A_CLASS if len({_folded(cell) for cell in cells}) == 2 else set())
    blank = [i for i, cell in enumerate(cells) if cell.lower() in words_for_null]
    if not blank:
        return
    places = ", ".join(str(table.row_numbers[i]) for i in blank[:N_EXAMPLES]) + (
        ", …" if len(blank) > N_EXAMPLES else ""
    )
    words = sorted({cells[i] for i in blank} - {""})
    raise InputFileError(
        f"{path}: {len(blank):,} of {counted(table.n_rows, 'row')} ({len(blank) / table.n_rows:.0%}) have no label in "
        f"{column!r} ({table.row_word} {places}).",
        next_step="Use only the rows with a label. This command writes them to a file: "
        + _pandas_line(path, "labeled", f'd[~d[{_literal(column)}].fillna("").isin({_literal(["", *words])})]'),
    )


def _not_binary(path: Path, column: str, values: Counter[str]) -> InputFileError:
    if len(values) == 1:
        return InputFileError(
            f"{path}: the label {column!r} is {next(iter(values))!r} in every row. A model needs rows of both classes.",
            next_step="Use a file with both classes, or pass another column as --label.",
        )
    common = [value for value, _ in values.most_common(4)]
    shown = ", ".join(map(repr, common)) + (", …" if len(values) > len(common) else "")
    return InputFileError(
        f"{path}: the label {column!r} has {len(values):,} values ({shown}). PMMDS trains binary classifiers.",
        next_step="Pass a column with two values as --label. This command writes a file whose label is "
        f"{common[-1]!r} or not: "
        + _pandas_line(
            path, "binary", f"d.assign(**{{{_literal(column)}: d[{_literal(column)}] == {_literal(common[-1])}}})"
        ),
    )


def _pandas_line(path: Path, suffix: str, expression: str) -> str:
    """Return a shell command that writes `expression` to a CSV file in the working directory.

    In the expression, `d` is the data frame with the content of the file.
    """
    name = _literal(str(path))
    if path.suffix in {".parquet", ".pq"}:
        read = f"p.read_parquet({name})"
    else:
        read = f'p.read_csv({name}, sep="{shape_of_csv(path).delimiter}", dtype=str, keep_default_na=False)'
    output = _literal(f"{path.name.partition('.')[0]}-{suffix}.csv")
    return f"python -c {shlex.quote(f'import pandas as p; d = {read}; {expression}.to_csv({output}, index=False)')}"


def _literal(value: str | Sequence[str]) -> str:
    """Return a Python literal with double quotes, because these need no escaping within single quotes in a shell."""
    return json.dumps(value, ensure_ascii=False)


def _values(cells: Cells) -> Counter[str]:
    """Count the values. Values that are equal are counted under their most frequent spelling."""
    written = Counter(decimal_text(cell) for cell in cells)
    spelling: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for cell, n in sorted(written.items(), key=lambda pair: (-pair[1], pair[0])):
        counts[spelling.setdefault(_folded(cell), cell)] += n
    return counts


def _positive(values: Counter[str], wanted: str, path: Path, column: str) -> str:
    if wanted:
        found = [value for value in values if _folded(value) == _folded(wanted)]
        if not found:
            raise InputFileError(
                f"{path}: the label {column!r} has no value {wanted!r}.",
                next_step=f"Pass --positive {' or '.join(map(shlex.quote, values))}.",
            )
        return found[0]
    usual: Sequence[str] = [value for value in values if _is_usual(value, values)]
    return usual[0] if len(usual) == 1 else min(values, key=lambda value: (values[value], value))


def _is_usual(value: str, values: Collection[str]) -> bool:
    """Return True for a usual word for class 1. The number 1 is one only beside 0 or -1, not in the classes 1 and 2."""
    numbers = {_folded(v.replace(",", ".")) for v in values}
    word = _folded(value.replace(",", "."))
    return word in WORDS_FOR_POSITIVE and (word != "1" or bool(numbers & {"0", "-1"}))


def _folded(cell: str) -> str:
    return decimal_text(cell).casefold()
