"""SQL expressions that read a file's column as a feature: as number or text, with the rules for missing values.

Not here: running queries (duckdb_counts.py), the kinds of columns (file_drift/column_kinds.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pmmds_core.profiling.bins import NUMBER_PATTERN, WORDS_FOR_INFINITY, WORDS_FOR_NULL

if TYPE_CHECKING:
    from pmmds_core.contracts.contract import Feature
    from pmmds_core.stores.files.data_file import FileColumn

Kind = Literal["numeric", "categorical"]

WHOLE = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER"})
WHOLE_TOO = frozenset({"UBIGINT", "UHUGEINT"})
REAL = frozenset({"FLOAT", "DOUBLE"})
TIMESTAMP_TYPES = ("DATE", "TIME", "TIMESTAMP", "INTERVAL")
# The characters that str.strip() removes and that occur in text files.
BLANKS = "E' \\t\\r\\n\\f\\x0b'"


@dataclass(frozen=True)
class Reading:
    """The SQL that reads one feature from a file.

    `value`: SQL of the number (DOUBLE; NaN for missing values and text) or of the text. `is_text`: SQL that is true for
    text that is not a number; empty if the column's type rules it out.
    """

    feature: str
    kind: Kind
    value: str
    is_text: str = ""


def is_number(column: FileColumn) -> bool:
    """True if the column has a numeric type."""
    return column.type in WHOLE | WHOLE_TOO | REAL or column.type.startswith("DECIMAL")


def read_column(column: FileColumn, feature: str, kind: Kind, rules: Feature | None = None) -> Reading:
    """Read `column` as `feature`. `rules`: the contract's feature, which defines blank cells."""
    return _as_number(column, feature, rules) if kind == "numeric" else _as_category(column, feature, rules)


def _as_number(column: FileColumn, feature: str, rules: Feature | None) -> Reading:
    x = column.identifier
    fill = None if rules is None else rules.blank_value
    # NaN for missing rather than NULL, because DuckDB compares columns without NULLs in half the time.
    blank = "'nan'::DOUBLE" if fill is None else f"{float(fill)!r}::DOUBLE"
    if is_number(column):
        number = f"coalesce(CAST({x} AS DOUBLE), {blank})"
        if fill is not None and column.type in REAL:
            number = f"CASE WHEN isnan({x}) THEN {blank} ELSE {number} END"
        return Reading(feature, "numeric", number)
    if column.type == "BOOLEAN":
        return Reading(feature, "numeric", f"coalesce(CAST(CAST({x} AS INTEGER) AS DOUBLE), {blank})")
    text = f"lower(trim(CAST({x} AS VARCHAR), {BLANKS}))"
    words = WORDS_FOR_NULL | (set() if rules is None or rules.blank is None else set(rules.blank.written_as))
    is_blank = f"({x} IS NULL OR {text} IN ({_strings(sorted(w.lower() for w in words))}))"
    infinities = [sign + word for word in sorted(WORDS_FOR_INFINITY) for sign in ("", "+", "-")]
    is_number_text = f"(regexp_full_match({text}, '{NUMBER_PATTERN}') OR {text} IN ({_strings(infinities)}))"
    number = f"CASE WHEN {is_number_text} THEN TRY_CAST({text} AS DOUBLE) ELSE 'nan'::DOUBLE END"
    value = f"CASE WHEN {is_blank} THEN {blank} ELSE {number} END"
    return Reading(feature, "numeric", value, f"NOT {is_blank} AND NOT {is_number_text}")


def _as_category(column: FileColumn, feature: str, rules: Feature | None) -> Reading:
    text = _text(column)
    if rules is not None:
        text = f"trim({text}, {BLANKS})"
        marks = ["", *(rules.blank.written_as if rules.blank else ())]
        fill = "NULL" if rules.blank_value is None else _strings([str(rules.blank_value)])
        text = f"CASE WHEN {column.identifier} IS NULL OR {text} IN ({_strings(marks)}) THEN {fill} ELSE {text} END"
    return Reading(feature, "categorical", text)


def _text(column: FileColumn) -> str:
    """The cell as in a CSV file: whole numbers without `.0`, booleans as True and False, NaN as NULL."""
    x = column.identifier
    if column.type == "VARCHAR":
        return x
    if column.type == "BOOLEAN":
        return f"CASE WHEN {x} THEN 'True' WHEN NOT {x} THEN 'False' END"
    if column.type in REAL:
        whole = f"CASE WHEN {x} = trunc({x}) AND abs({x}) < 1e15 THEN CAST(CAST({x} AS BIGINT) AS VARCHAR)"
        return f"CASE WHEN isnan({x}) THEN NULL ELSE {whole} ELSE CAST({x} AS VARCHAR) END END"
    return f"CAST({x} AS VARCHAR)"


def _strings(texts: Sequence[str]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)
