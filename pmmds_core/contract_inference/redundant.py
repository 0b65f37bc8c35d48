"""Detects redundant features, which repeat another column or the label.

Not here: columns that cannot be features by their own values (numeric.py, categorical.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pmmds_core.contract_inference.draft import LabelDraft

if TYPE_CHECKING:
    from pmmds_core.data.text_table import Cells


def reasons_to_leave_out(columns: Mapping[str, Cells], names: Sequence[str], label: LabelDraft) -> dict[str, str]:
    """Return the reason for each redundant column among `names`.

    A column with two values leaks the label if each of the two values occurs with only one class.
    """
    classes = [label.codes[cell] for cell in columns[label.label.source]]
    reasons: dict[str, str] = {}
    seen: dict[tuple[str, ...], str] = {}
    for name in names:
        cells = tuple(columns[name])
        first = seen.setdefault(cells, name)
        if first != name:
            reasons[name] = f"the same cells as the column {first!r}"
        elif len(set(cells)) == 2 == len(set(zip(cells, classes, strict=True))):
            reasons[name] = f"it determines {label.label.source!r} in every row, so it would leak the label"
    return reasons
