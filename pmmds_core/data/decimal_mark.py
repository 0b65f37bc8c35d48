"""Finds the decimal mark of a file, which decides how its ambiguous numbers are read.

In a file that also has the number 3,50, the number 1.234 is 1234. Not here: the forms of numbers (number_style.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice

from pmmds_core.contracts.cells import BLANKS, WORDS_FOR_NULL
from pmmds_core.data.number_style import NumberStyle, styles_of

# The number of cells of each column that are examined.
N_EXAMINED = 2000
# An ambiguous column has thousands separators if at least this many different values have one, and as many have none.
MIN_VALUES = 10
# The style in which 1.234 is 1234.
POINT_FOR_THOUSANDS = NumberStyle(",", ".", is_plain=False)
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")


def decimal_mark_of(columns: Iterable[Iterable[str]]) -> str:
    """Return the decimal mark of the numbers in a file, `.` or `,`.

    The result is an empty string if no column shows the mark, or if the columns have different marks.
    """
    samples = [_values(cells) for cells in columns]
    marks = {mark for values in samples if (mark := _mark_of(values))}
    if not marks and any(_has_thousands_with_comma(values) for values in samples):
        return "."
    return marks.pop() if len(marks) == 1 else ""


def style_of(texts: Sequence[str], mark: str) -> NumberStyle | None:
    """Return the style in which all texts are numbers, or None if there is none or the texts are ambiguous.

    Args:
        texts: the different values of a column, without blank cells and words for missing values.
        mark: the decimal mark of the file, as returned by `decimal_mark_of`.
    """
    styles = styles_of(texts)
    if not styles:
        return None
    if styles[0].is_plain:
        has_thousands = mark == "," and may_have_thousands(texts) and _fits(POINT_FOR_THOUSANDS, texts)
        return POINT_FOR_THOUSANDS if has_thousands else styles[0]
    if are_alike(styles, texts):
        return styles[0]
    fitting = [style for style in styles if style.decimal == mark]
    return fitting[0] if len(fitting) == 1 else None


def are_alike(styles: Sequence[NumberStyle], texts: Sequence[str]) -> bool:
    """Return True if the styles read the same numbers, because they differ only in a mark that no text has."""
    return len({tuple(style.number_of(text) for text in texts) for style in styles}) == 1


def may_have_thousands(texts: Iterable[str]) -> bool:
    """Return True if every point in these plain numbers could be a thousands separator, and there is a point."""
    pointed = [text for text in texts if "." in text]
    return bool(pointed) and all(_GROUPED.fullmatch(text.strip(BLANKS)) for text in pointed)


def _fits(style: NumberStyle, texts: Iterable[str]) -> bool:
    return all(style.number_of(text) is not None for text in texts)


def _values(cells: Iterable[str]) -> list[str]:
    """Return the different values among the first cells, without words for a missing value."""
    found = {cell.strip(BLANKS) for cell in islice(cells, N_EXAMINED)}
    return [value for value in found if value.lower() not in WORDS_FOR_NULL]


def _mark_of(values: Sequence[str]) -> str:
    """Return the decimal mark that the numbers of one column show, or an empty string."""
    if not any("." in value or "," in value for value in values):
        return ""
    styles = styles_of(values)
    if len(styles) != 1:
        return ""
    (style,) = styles
    if style.is_plain:
        return "." if not may_have_thousands(values) else ""
    is_used = any(re.search(rf"[0-9]{re.escape(style.decimal)}[0-9]", value) for value in values)
    return style.decimal if is_used or style.thousands in (".", ",") else ""


def _has_thousands_with_comma(values: Sequence[str]) -> bool:
    """Return True if the values are like 950 and 1,234, so that a comma is not a decimal mark."""
    commas = [value for value in values if "," in value]
    others = [value for value in values if "," not in value]
    return (
        min(len(commas), len(others)) >= MIN_VALUES
        and all(_GROUPED.fullmatch(value) for value in commas)
        and all(re.fullmatch(r"[+-]?[0-9]{1,3}", value) for value in others)
    )
