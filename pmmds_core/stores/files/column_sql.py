"""SQL expressions that read a file's column as a feature, as defined in contracts/cells.py.

Not here: running queries (duckdb_counts.py), the kinds of columns (file_drift/column_kinds.py).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pmmds_core.contracts import cells
from pmmds_core.contracts.cells import (
    DECIMAL_PATTERN,
    NUMBER_PATTERN,
    WORDS_FOR_INFINITY,
    WORDS_FOR_NULL,
    WORDS_FOR_TRUTH,
    Spelling,
    category_of,
    number_of,
    spelling_of,
)
from pmmds_core.data.number_style import SPACES, NumberStyle

if TYPE_CHECKING:
    from pmmds_core.contracts.contract import Feature
    from pmmds_core.profiling.bins import FeatureBins
    from pmmds_core.stores.files.data_file import FileColumn

Kind = Literal["numeric", "categorical"]

WHOLE = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER"})
WHOLE_TOO = frozenset({"UBIGINT", "UHUGEINT"})
REAL = frozenset({"FLOAT", "DOUBLE"})
TIMESTAMP_TYPES = ("DATE", "TIME", "TIMESTAMP", "INTERVAL")
# The characters of cells.BLANKS as an SQL literal.
BLANKS = f"'{cells.BLANKS}'"


@dataclass(frozen=True)
class Reading:
    """The SQL that reads one feature from a file.

    `value`: SQL of the number (DOUBLE; NaN for missing values and text) or of the text. `is_text`: SQL that is true for
    text that is not a number; empty if the column's type rules it out. `cell`: SQL of the unchanged column if its cells
    can be compared with the categories directly; otherwise empty.
    """

    feature: str
    kind: Kind
    value: str
    is_text: str = ""
    cell: str = ""


def is_number(column: FileColumn) -> bool:
    """True if the column has a numeric type."""
    return column.type in WHOLE | WHOLE_TOO | REAL or column.type.startswith("DECIMAL")


def read_column(
    column: FileColumn, bins: FeatureBins, rules: Feature | None = None, na: Collection[str] = ()
) -> Reading:
    """Read a column as the feature of `bins`: as numbers, or as categories with that feature's spelling."""
    if bins.kind == "numeric":
        return read_number(column, bins.feature, rules, na=na)
    return read_category(column, bins.feature, bins.categories, rules, na)


def read_number(
    column: FileColumn,
    feature: str,
    rules: Feature | None = None,
    style: NumberStyle | None = None,
    na: Collection[str] = (),
) -> Reading:
    """Read a column as numbers.

    Args:
        column: the column.
        feature: the name of the feature.
        rules: the contract's feature, which defines blank cells.
        style: how the numbers of a text column are written; None: plain.
        na: additional words for a missing value.
    """
    x = column.identifier
    fill = None if rules is None else rules.blank_value
    # Missing values become NaN rather than NULL, because DuckDB compares columns without NULLs in half the time.
    blank = "'nan'::DOUBLE" if fill is None else f"{float(fill)!r}::DOUBLE"
    sentinels = _sentinels(rules, na)
    if is_number(column):
        number = f"coalesce(CAST({x} AS DOUBLE), {blank})"
        if sentinels:
            number = f"CASE WHEN {x} IN ({sentinels}) THEN {blank} ELSE {number} END"
        if fill is not None and column.type in REAL:
            number = f"CASE WHEN isnan({x}) THEN {blank} ELSE {number} END"
        return Reading(feature, "numeric", number)
    if column.type == "BOOLEAN":
        return Reading(feature, "numeric", f"coalesce(CAST(CAST({x} AS INTEGER) AS DOUBLE), {blank})")
    text = f"lower(trim(CAST({x} AS VARCHAR), {BLANKS}))"
    is_blank = f"({x} IS NULL OR {text} IN ({_strings(missing_words(rules, na))}))"
    is_number_text, number = _styled(text, style or NumberStyle())
    if sentinels:
        number = f"CASE WHEN {number} IN ({sentinels}) THEN {blank} ELSE {number} END"
    # Test for numbers first: most cells are numbers, and comparing each with all words takes longer than matching the
    # pattern. Sentinels are the markers of missing values that are numbers, such as -999.
    value = f"CASE WHEN {is_number_text} THEN {number} WHEN {is_blank} THEN {blank} ELSE 'nan'::DOUBLE END"
    return Reading(feature, "numeric", value, f"NOT {is_number_text} AND NOT {is_blank}")


def read_boolean_as_number(column: FileColumn, feature: str) -> Reading:
    """Read a text column with the values true and false as 1 and 0."""
    text = f"lower(trim({column.identifier}, {BLANKS}))"
    is_blank = f"({column.identifier} IS NULL OR {text} IN ({_strings(missing_words())}))"
    is_true, is_false = f"{text} IN ('true', 't')", f"{text} IN ('false', 'f')"
    value = f"CASE WHEN {is_true} THEN 1.0::DOUBLE WHEN {is_false} THEN 0.0::DOUBLE ELSE 'nan'::DOUBLE END"
    return Reading(feature, "numeric", value, f"NOT {is_blank} AND NOT {is_true} AND NOT {is_false}")


def read_category(
    column: FileColumn,
    feature: str,
    categories: Collection[str] = (),
    rules: Feature | None = None,
    na: Collection[str] = (),
) -> Reading:
    """Read a column as categories, in the spelling of `categories` (cells.spelling_of).

    Args:
        column: the column.
        feature: the name of the feature.
        categories: the known categories; empty: every text is its own category.
        rules: the contract's feature, which defines blank cells and categories.
        na: additional words for a missing value.
    """
    spelling = spelling_of(categories)
    if spelling == "exact":
        return Reading(feature, "categorical", _exact(column))
    text = f"trim({_exact(column)}, {BLANKS})"
    if column.type == "BOOLEAN" and spelling == "decimal":
        text = f"CAST(CAST({column.identifier} AS INTEGER) AS VARCHAR)"
    written = {category_of(c, spelling) or c: c for c in categories}
    value = _respelled(_spelled(text, spelling), written)
    fill = "NULL" if rules is None or rules.blank_value is None else _strings([str(rules.blank_value)])
    is_blank = _is_blank_category(text, spelling, rules, na)
    is_usual = spelling == "trimmed" and column.type == "VARCHAR" and not na and (rules is None or rules.blank is None)
    cell = column.identifier if is_usual and not column.identifier.startswith("CAST") else ""
    return Reading(feature, "categorical", f"CASE WHEN {is_blank} THEN {fill} ELSE {value} END", cell=cell)


def _is_blank_category(text: str, spelling: Spelling, rules: Feature | None, na: Collection[str]) -> str:
    """SQL that is true for a missing category. Case matters for the contract's words but not for the others."""
    marks = {"", *(rules.blank.written_as if rules and rules.blank else ())}
    any_case = {word.strip().lower() for word in na} | (WORDS_FOR_NULL if spelling == "boolean" else set())
    condition = f"{text} IS NULL OR {text} IN ({_strings(marks)})"
    return f"{condition} OR lower({text}) IN ({_strings(any_case)})" if any_case else condition


def missing_words(rules: Feature | None = None, na: Collection[str] = ()) -> frozenset[str]:
    """Words that stand for a missing number, in lower case."""
    of_contract = rules.blank.written_as if rules and rules.blank else ()
    return WORDS_FOR_NULL | {w.strip().lower() for w in (*of_contract, *na)}


def _sentinels(rules: Feature | None, na: Collection[str]) -> str:
    """The missing words that are numbers, such as -999, as an SQL list; empty if there are none."""
    of_contract = rules.blank.written_as if rules and rules.blank else ()
    numbers = [n for word in (*of_contract, *na) if (n := number_of(word)) is not None and not math.isnan(n)]
    return ", ".join(f"{n!r}::DOUBLE" for n in numbers if math.isfinite(n))


def _styled(text: str, style: NumberStyle) -> tuple[str, str]:
    """SQL that is true for a number in the style, and SQL of the number. `text`: SQL of trimmed lower-case text."""
    if style.is_plain:
        infinities = [sign + word for word in sorted(WORDS_FOR_INFINITY) for sign in ("", "+", "-")]
        matches = f"(regexp_full_match({text}, '{NUMBER_PATTERN}') OR {text} IN ({_strings(infinities)}))"
        return matches, f"TRY_CAST({text} AS DOUBLE)"
    body = text
    for mark in (style.prefix.lower(), style.suffix.lower()):
        body = f"replace({body}, {_strings([mark])}, '')" if mark else body
    removed = style.thousands_marks + SPACES + "()+"
    body = f"translate({body}, {_strings([removed])}, '')"
    body = f"translate({body}, {_strings([style.decimal + '−'])}, '.-')"
    number = f"TRY_CAST(rtrim({body}, '-') AS DOUBLE)"
    signed = f"CASE WHEN starts_with({text}, '(') OR ends_with({body}, '-') THEN -{number} ELSE {number} END"
    return f"regexp_full_match({text}, {_strings([style.pattern])})", signed


def _spelled(text: str, spelling: Spelling) -> str:
    """SQL equivalent of cells.category_of for trimmed text that is not blank."""
    if spelling not in ("decimal", "boolean"):
        return text
    shortest = _without_zeros(f"ltrim({text}, '+')")
    number = f"CASE WHEN {shortest} IN ('-0', '') THEN '0' ELSE {shortest} END"
    decimal = f"CASE WHEN regexp_full_match({text}, '{DECIMAL_PATTERN}') THEN {number} ELSE {text} END"
    if spelling == "decimal":
        return decimal
    words = " ".join(f"WHEN {_strings([word])} THEN {_strings([truth])}" for word, truth in WORDS_FOR_TRUTH.items())
    return f"CASE lower({decimal}) {words} ELSE {text} END"


def _without_zeros(number: str) -> str:
    """SQL that removes trailing zeros from the fraction of a decimal number's text."""
    return f"CASE WHEN contains({number}, '.') THEN rtrim(rtrim({number}, '0'), '.') ELSE {number} END"


def _respelled(text: str, written: Mapping[str, str]) -> str:
    """SQL that replaces a category's spelling with the contract's if they differ."""
    different = {a: b for a, b in written.items() if a != b}
    if not different:
        return text
    cases = " ".join(f"WHEN {_strings([a])} THEN {_strings([b])}" for a, b in different.items())
    return f"CASE {text} {cases} ELSE {text} END"


def _exact(column: FileColumn) -> str:
    """SQL of a cell as text: numbers without trailing zeros, booleans as true and false, NaN as NULL."""
    x = column.identifier
    if column.type == "VARCHAR":
        return x
    if column.type in REAL:
        whole = f"CASE WHEN {x} = trunc({x}) AND abs({x}) < 1e15 THEN CAST(CAST({x} AS BIGINT) AS VARCHAR)"
        return f"CASE WHEN isnan({x}) THEN NULL ELSE {whole} ELSE CAST({x} AS VARCHAR) END END"
    if column.type.startswith("DECIMAL"):
        return _without_zeros(f"CAST({x} AS VARCHAR)")
    return f"CAST({x} AS VARCHAR)"


def _strings(texts: Collection[str]) -> str:
    ordered: Sequence[str] = sorted(texts) if isinstance(texts, set | frozenset) else list(texts)
    return ", ".join("'" + text.replace("'", "''") + "'" for text in ordered)
