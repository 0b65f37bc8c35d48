"""Infers categorical features: their allowed values and which cells are blank.

Not here: deciding that a column is categorical (file_drift/column_kinds.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pmmds_core.contract_inference.numeric import too_blank
from pmmds_core.contracts.cells import WORDS_FOR_NULL, category_of, spelling_of
from pmmds_core.contracts.contract import Blank, Feature
from pmmds_core.data.expectations import MIN_KNOWN_SHARE
from pmmds_core.runtime.plurals import counted

if TYPE_CHECKING:
    from pmmds_core.data.text_table import Cells

# The number is limited because each allowed value is a line of the contract and an input of the model.
MAX_VALUES = 2000
# Words that mean blank in numeric columns but are often a category in text columns.
WORDS_FOR_CATEGORIES = frozenset({"none", "nil"})
# NA is also a country code, so it remains a category if all other values also have two letters.
_CODE_LENGTH = 2


@dataclass(frozen=True)
class Categories:
    """The values of a categorical column in order of frequency.

    The column's words for blank cells are included with their counts.
    """

    counts: Counter[str]
    words: Counter[str]
    n_empty: int

    @property
    def n_blank(self) -> int:
        return self.n_empty + self.words.total()

    @property
    def n_rows(self) -> int:
        return self.counts.total() + self.n_blank


def describe(cells: Cells, na: Collection[str]) -> Categories:
    """Count the values of a column. `na` has additional words for a blank cell, which match in any case."""
    found = Counter(cells)
    n_empty = found.pop("", 0)
    others = [cell for cell in found if cell.lower() not in WORDS_FOR_NULL]
    are_codes = bool(others) and all(len(cell) == _CODE_LENGTH and cell.isalpha() for cell in others)
    kept = WORDS_FOR_CATEGORIES | ({"na"} if are_codes else set())
    blank = (WORDS_FOR_NULL - kept) | {word.strip().lower() for word in na}
    words = Counter({cell: n for cell, n in found.items() if cell.lower() in blank})
    return Categories(_one_spelling(found - words), words, n_empty)


def _one_spelling(found: Counter[str]) -> Counter[str]:
    """Merge values that are equal. Booleans become true and false, and decimal numbers get their shortest form."""
    lowered = {value.lower() for value in found}
    spelling = (
        "boolean" if lowered <= {"true", "false"} else spelling_of({category_of(v, "decimal") or "" for v in found})
    )
    counts: Counter[str] = Counter()
    for value, n in found.items():
        counts[category_of(value, spelling) or value if spelling != "exact" else value] += n
    return Counter(dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))))


def reason_to_leave_out(found: Categories) -> str:
    """Return the reason why a categorical column cannot be a feature, or an empty string if it can."""
    if found.counts.total() < MIN_KNOWN_SHARE * found.n_rows:
        return too_blank(found.n_blank, found.n_rows)
    if len(found.counts) == 1:
        return f"{next(iter(found.counts))!r} in every row"
    if len(found.counts) > MAX_VALUES:
        return f"text, {len(found.counts):,} categories; at most {MAX_VALUES:,} are supported"
    return ""


def categorical_feature(found: Categories, name: str, source: str, file_name: str) -> Feature:
    """Return the feature for a categorical column, with its values in order of frequency."""
    return Feature(
        name=name,
        source=source,
        kind="categorical",
        type="string",
        values=tuple(found.counts),
        description=f"The column {source} of {file_name}.",
        example=next(iter(found.counts)),
        blank=Blank(means="missing", written_as=tuple(sorted(found.words))) if found.n_blank else None,
    )


def evidence_of(found: Categories) -> str:
    """Describe the observed values in one sentence without a period."""
    most = ", ".join(f"{value!r} {n:,}" for value, n in found.counts.most_common(3))
    rare = sum(n == 1 for n in found.counts.values())
    words = ", ".join(f"{word!r} {n:,}" for word, n in sorted(found.words.items()))
    blank = f"; {found.n_blank:,} blank{f' ({words})' if words else ''}" if found.n_blank else "; none blank"
    once = f"; {counted(rare, 'value')} in one row" if rare else ""
    return f"{len(found.counts):,} values ({most}{', …' if len(found.counts) > 3 else ''}){once}{blank}"
