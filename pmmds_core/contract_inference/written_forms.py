"""Recognizes columns of numbers whose text shows that they are dates, durations or codes.

Not here: dates in text columns (contracts/cells.py), ids (ids.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date

from pmmds_core.contracts.cells import WORDS_FOR_NULL, is_date

# Fewer different values may be dates by chance.
MIN_DATES = 5
_N_EXAMINED = 100
_COMPACT_DATE = re.compile(r"(19|20)[0-9]{6}")
_CODE = re.compile(r"0[0-9]+")


def reason_to_be_dates(cells: Sequence[str], *, is_text: bool) -> str:
    """Return the reason why a column of numbers has dates or durations, or an empty string if it has none.

    `is_text` is True for a column without a numeric type, in which `3 days` is a number with a unit.
    """
    first = _present(cells[:_N_EXAMINED])
    if not is_text and first and all(is_date(cell) for cell in first):
        return "durations, which are not numbers"
    values = set(_present(cells))
    if len(values) >= MIN_DATES and all(_is_compact_date(value) for value in values):
        return f"dates written like {min(values)}, which always differ between files"
    return ""


def codes_note(cells: Iterable[str]) -> str:
    """Return a note for the evidence of a number if a value is written with leading zeros, such as 00501."""
    code = next((cell for cell in cells if _CODE.fullmatch(cell)), "")
    return f", some with leading zeros like {code!r}: if these are codes, pass --categorical" if code else ""


def _present(cells: Sequence[str]) -> list[str]:
    return [cell for cell in cells if cell.lower() not in WORDS_FOR_NULL]


def _is_compact_date(text: str) -> bool:
    if not _COMPACT_DATE.fullmatch(text):
        return False
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True
