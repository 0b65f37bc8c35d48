"""Reads numbers in a local or decorated form, such as 1.234,56, $1,234.56 or (12 %), if the whole column uses it.

Not here: plain numbers and words for missing values (cells.py).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pmmds_core.contracts.cells import BLANKS, number_of

# Spaces between groups of digits. No-break, thin and narrow no-break spaces come from spreadsheets and R.
SPACES = " \u00a0\u2009\u202f"
_CORE = re.compile(
    rf"^\(?(?P<sign>[+\-−]?)(?P<prefix>[^\W\d_]{{1,4}}\.[{SPACES}]*|[^\d.,()+\-−]{{0,6}})(?P<sign2>[+\-−]?)"
    rf"(?P<body>[\d.,'’{SPACES}]*\d[.,]?|[.,]\d+)([eE][+-]?\d+)?(?P<suffix>[^\d()]{{0,12}}?)[{SPACES}]*[\-−]?\)?$"
)
# Currencies before a number: EUR, Rs., kr.
_CURRENCY = re.compile(r"[A-Z]{3}|[^\W\d_]{1,4}\.")
_UNIT = re.compile(r"([^\W\d_]|[°²³/%‰^. ]){1,12}")
# A decimal number with other text around it, but not a version or an address such as 10.0.0.1.
_DECORATED = re.compile(
    rf"([^\d.,]{{0,6}}|[^\W\d_]{{1,4}}\.[{SPACES}]*)\d[\d'’{SPACES}]*[.,]\d+([.,]\d{{1,3}})?([^\d.,].{{0,12}})?"
)


@dataclass(frozen=True)
class NumberStyle:
    """The way in which the numbers of a column are written.

    `decimal` is "." or ",". `thousands` is the thousands separator, or empty. A space stands for any kind of space.
    `prefix` and `suffix` are the text that may surround a number, such as $ or %. `is_plain` is True if none of these
    is used. In all other styles, a number is negative if it is in parentheses or has a minus sign at the end, and − is
    accepted as a minus sign.
    """

    decimal: str = "."
    thousands: str = ""
    prefix: str = ""
    suffix: str = ""
    is_plain: bool = True

    @cached_property
    def pattern(self) -> str:
        """A regular expression that matches a whole cell in lower case without surrounding blanks.

        The expression has the same meaning in RE2 and Python.
        """
        d = re.escape(self.decimal)
        grouped = rf"[1-9][0-9]{{0,2}}({_mark(self.thousands)}[0-9]{{2,3}})*{_mark(self.thousands)}[0-9]{{3}}|"
        whole = rf"({grouped if self.thousands else ''}[0-9]+)"
        number = rf"({whole}({d}[0-9]*)?|{d}[0-9]+)(e[+-]?[0-9]+)?"
        before = rf"({_literal(self.prefix)}[{SPACES}]*)?" if self.prefix else ""
        after = rf"([{SPACES}]*{_literal(self.suffix)})?" if self.suffix else ""
        signed = rf"[+\-−]?{before}[+\-−]?{number}{after}"
        return rf"({signed}|{before}{number}{after}[{SPACES}]*[\-−]|\({before}{number}{after}\))"

    @property
    def thousands_marks(self) -> str:
        """All characters that separate groups of digits."""
        return "".join(_marks(self.thousands))

    @property
    def example(self) -> str:
        """The number 1234.5 written in this style, for use in messages."""
        return f"{self.prefix}1{self.thousands}234{self.decimal}5{self.suffix}"

    def number_of(self, text: str) -> float | None:
        """Return the number in a cell, or None if the cell is not a number in this style."""
        if self.is_plain:
            return number_of(text)
        cell = text.strip(BLANKS).lower()
        if not re.fullmatch(self.pattern, cell):
            return None
        for mark in (self.prefix.lower(), self.suffix.lower(), *(_marks(self.thousands)), *SPACES, "(", ")", "+"):
            cell = cell.replace(mark, "") if mark else cell
        cell = cell.replace(self.decimal, ".").replace("−", "-")
        is_negative = text.strip(BLANKS).startswith("(") or cell.endswith("-")
        value = float(cell.rstrip("-"))
        return -value if is_negative else value


def styles_of(texts: Iterable[str], decimal: str = "", thousands: str = "") -> list[NumberStyle]:
    """Return the styles in which all texts are numbers, or an empty list if there is no such style.

    If the texts are plain numbers, only the plain style is returned. If there are two styles, the texts are ambiguous.
    For example, 1,234 may be 1.234 or 1234.

    Args:
        texts: the cells, without blank cells and words for missing values.
        decimal: the only decimal mark to consider. If it is empty, both marks are considered. Plain numbers remain
            plain even if they use the other mark.
        thousands: the only thousands separator to consider. If it is empty, all separators and no separator are
            considered.
    """
    cells = [text.strip(BLANKS) for text in texts]
    if cells and (decimal or thousands):
        given = _decorated_styles(cells, decimal, thousands)
        return given or ([NumberStyle()] if _are_plain(cells) else [])
    return [NumberStyle()] if cells and _are_plain(cells) else _decorated_styles(cells, "", "")


def looks_like_number(text: str) -> bool:
    """Return True if the text is a decimal number in any form, with or without text around it."""
    return _DECORATED.fullmatch(text.strip(BLANKS)) is not None


def _are_plain(cells: Sequence[str]) -> bool:
    return all(number_of(cell) is not None for cell in cells)


def _decorated_styles(cells: Sequence[str], decimal: str, thousands: str) -> list[NumberStyle]:
    found = [_CORE.match(cell) for cell in cells]
    if not cells or any(match is None for match in found):
        return []
    matches = [match for match in found if match]
    prefix, suffix = _common(m["prefix"] for m in matches), _common(m["suffix"] for m in matches)
    if prefix is None or suffix is None or not (_is_prefix(prefix) and _is_suffix(suffix)):
        return []
    bodies = [m["body"] for m in matches]
    return [NumberStyle(d, t, prefix, suffix, is_plain=False) for d, t in _separators(bodies, decimal, thousands)]


def _separators(bodies: Sequence[str], decimal: str, thousands: str) -> list[tuple[str, str]]:
    """Return the pairs of decimal mark and thousands separator that are consistent with all the numbers.

    Pairs whose thousands separator never occurs are left out.
    """
    used = "".join(bodies)
    marks = [thousands] if thousands else ["", *(t for t in (",", ".", " ", "'") if any(m in used for m in _marks(t)))]
    pairs = [(d, t) for d in ([decimal] if decimal else [".", ","]) for t in marks if t != d]
    fitting = [
        pair
        for pair in pairs
        if all(re.fullmatch(NumberStyle(*pair, is_plain=False).pattern, b.strip(SPACES)) for b in bodies)
    ]
    # If no mark occurs, both decimal marks are consistent. The text 1.5 is a plain number, not 15 with a thousands
    # separator.
    return fitting[:1] if any(pair == (".", "") for pair in fitting) else fitting


def _common(texts: Iterable[str]) -> str | None:
    """Return the only non-empty text without surrounding blanks.

    The result is an empty string if all texts are empty, and None if there are several different texts.
    """
    distinct = {text.strip(BLANKS) for text in texts} - {""}
    return None if len(distinct) > 1 else next(iter(distinct), "")


def _is_prefix(text: str) -> bool:
    return not text or bool(_CURRENCY.fullmatch(text)) or any(unicodedata.category(c) == "Sc" for c in text)


def _is_suffix(text: str) -> bool:
    return not text or bool(_UNIT.fullmatch(text)) or any(unicodedata.category(c) == "Sc" for c in text)


def _marks(thousands: str) -> tuple[str, ...]:
    return tuple(SPACES) if thousands == " " else ("'", "’") if thousands == "'" else (thousands,) if thousands else ()


def _mark(thousands: str) -> str:
    return f"[{''.join(re.escape(m) for m in _marks(thousands))}]"


def _literal(text: str) -> str:
    return re.escape(text.lower())
