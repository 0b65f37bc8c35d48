"""Defines the number or category that a cell of a file contains, the same for every format and engine.

This module has the definition in Python. It is translated for DuckDB by stores/files/column_sql.py and for Spark by
stores/files/spark_counts.py, and both translations are tested against it. Not here: numbers in local form
(data/number_style.py) and the contract's own words for blanks (data/reader.py).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import Literal

# A number in a text file. Python and the engines each accept different additional forms (1_000, 0x10, ١٢).
NUMBER_PATTERN = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
# A number that may be written differently in different files. For example, 1, 1.0 and +1 all mean 1, but
# 007 and 1e3 are codes.
DECIMAL_PATTERN = r"[+-]?(0|[1-9][0-9]*)(\.[0-9]*)?"
WORDS_FOR_INFINITY = frozenset({"inf", "infinity"})
WORDS_FOR_TRUTH = {"true": "true", "false": "false", "1": "true", "0": "false", "t": "true", "f": "false"} | {
    "yes": "true",
    "no": "false",
    "y": "true",
    "n": "false",
}
# The words for a missing value in a numeric column, in lower case. They come from pandas, R, SQL, SAS and spreadsheets.
WORDS_FOR_NULL = frozenset(
    {"", "nan", "na", "n/a", "#n/a", "#na", "<na>", "null", "none", "nil", "missing", "-", "--", ".", "?", "nat"}
    | {"-nan", "#n/a n/a", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "#div/0!", "#value!", "#ref!", "#num!"}
    | {"#name?", "#null!", "n.a.", "\\n", "(null)", "[null]", "(blank)", "–", "—", "..", "..."}
)
# Characters that str.strip() removes and that occur in text files. The no-break spaces come from spreadsheets.
BLANKS = " \t\r\n\f\x0b\u00a0\u202f\ufeff"

# Dates and times as text. Without a contract, columns that contain them are left out, like columns with a date type.
_D, _M, _Y = "(0?[1-9]|[12][0-9]|3[01])", "(0?[1-9]|1[0-2])", "[0-9]{4}"
_DAY = (
    rf"{_Y}-[0-9]{{2}}-[0-9]{{2}}|{_Y}/[0-9]{{1,2}}/[0-9]{{1,2}}|{_Y}\.[0-9]{{2}}\.[0-9]{{2}}"
    rf"|{_D}[-. ]{_M}[-. ]{_Y}|{_D}/{_M}/({_Y}|[0-9]{{2}})|{_M}/{_D}/({_Y}|[0-9]{{2}})"
)
_NAMED_DAY = r"[0-9]{1,2}[- ][a-z]{3,9}\.?[- ,][0-9]{2,4}|[a-z]{3,9}\.? [0-9]{1,2},? [0-9]{4}"
_CLOCK = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?( ?[ap]m)?( ?(z|utc|[+-][0-9]{2}:?[0-9]{2}))?"
_MONTH = r"(jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-zäé]{0,6}\.?"
_PERIOD = (
    rf"{_Y}[-/](0[1-9]|1[0-2])|{_M}/{_Y}|{_Y}[- ]?q[1-4]|q[1-4][-/ ]{_Y}|{_MONTH}[- ]({_Y}|[0-9]{{2}})"
    rf"|{_Y}-?w[0-9]{{2}}(-?[1-7])?|(kw|w) ?[0-9]{{1,2}}[-/ ]{_Y}"
)
# A duration as pandas and Python write it, such as 3 days 04:05:06.
_DURATION = r"-?[0-9]+ days?,?( [+-]?[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?)?"
DATE_PATTERN = rf"(({_DAY}|{_NAMED_DAY}|[0-9]{{1,2}}\. {_MONTH} {_Y})([t ,]+{_CLOCK})?|{_CLOCK}|{_PERIOD}|{_DURATION})"

# How the text of a categorical column is read: unchanged, or with the same spelling for equal values.
Spelling = Literal["exact", "trimmed", "decimal", "boolean"]

_NUMBER = re.compile(NUMBER_PATTERN)
_DECIMAL = re.compile(DECIMAL_PATTERN)
_DATE = re.compile(DATE_PATTERN)


def number_of(value: object, missing: Collection[str] = WORDS_FOR_NULL) -> float | None:
    """Return the number in a cell.

    The result is NaN for a missing value and None for text that is not a number. `missing` has the words for a missing
    value, in lower case.
    """
    if value is None:
        return math.nan
    if not isinstance(value, str):
        return float(value)  # type: ignore[arg-type]  # numpy's and Python's numbers
    text = value.strip(BLANKS).lower()
    if text in missing:
        return math.nan
    if _NUMBER.fullmatch(text) or text.lstrip("+-") in WORDS_FOR_INFINITY:
        return float(text)
    return None


def is_date(text: str) -> bool:
    """Return True if the text is a date, a time or a calendar period, in ISO 8601 or a common local form."""
    return _DATE.fullmatch(text.strip(BLANKS).lower()) is not None


def category_of(text: str, spelling: Spelling) -> str | None:
    """Return the category in a text cell, or None if the cell is blank.

    In a column of booleans, the result is also None for a word that means missing.
    """
    if spelling == "exact":
        return text
    trimmed = text.strip(BLANKS)
    if spelling == "boolean":
        if trimmed.lower() in WORDS_FOR_NULL:
            return None
        return WORDS_FOR_TRUTH.get(decimal_text(trimmed).lower(), trimmed) or None
    return (decimal_text(trimmed) if spelling == "decimal" else trimmed) or None


def decimal_text(text: str) -> str:
    """Return the shortest form of a decimal number: 1 for 1.0, +1 and 1., for example.

    Other text is returned unchanged.
    """
    if not _DECIMAL.fullmatch(text):
        return text
    digits = text.lstrip("+")
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits in ("-0", "-", "") else digits


def are_booleans(texts: Collection[str]) -> bool:
    """Return True if the text is a boolean.

    The booleans are true and false in any case, and t and f, as PostgreSQL writes them. Yes and No are ordinary text.
    """
    lowered = {text.strip(BLANKS).lower() for text in texts}
    return bool(lowered) and (lowered <= {"true", "false"} or lowered == {"t", "f"})


def spelling_of(categories: Collection[str]) -> Spelling:
    """Return the spelling for reading a column with these categories.

    In this spelling, equal values have the same text. It is `exact` if a category has blanks around it, because such a
    category could never equal a trimmed cell.
    """
    if any(category != category.strip(BLANKS) or not category for category in categories):
        return "exact"
    if not categories:
        return "trimmed"
    n = len(set(categories))
    lowered = {c.lower() for c in categories}
    if len(lowered) == n and (are_booleans(categories) or {decimal_text(c) for c in categories} == {"0", "1"}):
        return "boolean"
    if all(_DECIMAL.fullmatch(c) for c in categories) and len({decimal_text(c) for c in categories}) == n:
        return "decimal"
    return "trimmed"
