"""Derives valid names for the contract from the names of columns and files.

Not here: the rules for names (contracts/contract.py, contracts/checks.py).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence

MAX_LENGTH = 48
_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_name(text: str, otherwise: str) -> str:
    """Convert a name to snake case.

    The result starts with a letter. For example, `Seats sold (%)` becomes `seats_sold`, as does `SeatsSold`.

    Args:
        text: any name.
        otherwise: the name if `text` has no Latin letter or digit.
    """
    ascii_text = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", _WORD_STARTS.sub(" ", ascii_text).lower())
    name = "_".join(words)
    if not name:
        return otherwise
    return (name if name[0].isalpha() else f"n_{name}")[:MAX_LENGTH].rstrip("_")


def unique_names(sources: Sequence[str], taken: Collection[str]) -> list[str]:
    """Return a valid name for each source column.

    A name that is in `taken`, which has the names that no feature may have, gets the suffix `_value`. A repeated name
    gets a number.
    """
    found: list[str] = []
    for i, source in enumerate(sources):
        name = snake_name(source, f"column_{i + 1}")
        if name in taken:
            name = _with_suffix(name, "_value")
        candidate, n = name, 1
        while candidate in found or candidate in taken:
            n += 1
            candidate = _with_suffix(name, f"_{n}")
        found.append(candidate)
    return found


def _with_suffix(name: str, suffix: str) -> str:
    return name[: MAX_LENGTH - len(suffix)].rstrip("_") + suffix
