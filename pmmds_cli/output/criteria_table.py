"""The criteria of a promotion decision as a text table.

Not here: their evaluation (pmmds_core/policies/promotion.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_COLUMNS = ("criterion", "value", "threshold", "verdict", "decides")


def criteria_lines(document: Mapping[str, Any]) -> list[str]:
    """Return a header and one line per criterion of the decision, or an empty list if the decision has no criteria."""
    criteria = document.get("criteria") or []
    if not criteria:
        return []
    rows = [_COLUMNS, *(_row(c) for c in criteria)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _row(criterion: Mapping[str, Any]) -> Sequence[str]:
    """Return a criterion's cells, with a dash for a value or threshold that was not recorded."""
    verdict = criterion.get("verdict") or ("met" if criterion["passed"] else "not met")
    decides = "yes" if criterion["blocking"] else "advice"
    threshold = str(criterion.get("threshold", "–"))
    value = _value(criterion.get("value"), is_missed=not criterion["passed"])
    return (str(criterion["name"]), value, threshold, str(verdict), decides)


def _value(value: float | str | None, *, is_missed: bool) -> str:
    """Format a value. Near misses get two more digits, such as 0.00096 instead of 0.0010."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if value != 0 and abs(value) < 1e-4:
        return f"{value:.0e}"
    return f"{value:.6f}" if is_missed and 0 < abs(value) < 0.01 else f"{value:.4f}"
