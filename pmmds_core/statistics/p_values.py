"""Formats p-values as text. Not here: computing them (homogeneity.py, classification.py)."""

from __future__ import annotations

_SMALLEST_SHOWN = 1e-4


def format_p_value(value: float | None) -> str:
    """Return the text after the symbol p or q: `= 0.012`, `< 0.0001` (never zero), or `unknown` for None."""
    if value is None:
        return "unknown"
    return f"< {_SMALLEST_SHOWN:.4f}" if value < _SMALLEST_SHOWN else f"= {value:.2g}"
