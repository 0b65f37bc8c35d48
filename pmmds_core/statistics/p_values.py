"""P-values as text, the same everywhere. Keep out: computing them (homogeneity.py, auc_difference.py)."""

from __future__ import annotations

_SMALLEST_SHOWN = 1e-4


def format_p_value(value: float | None) -> str:
    """`= 0.012`, `< 0.0001` (never zero), or `unknown` for None: goes after the symbol p or q."""
    if value is None:
        return "unknown"
    return f"< {_SMALLEST_SHOWN:.4f}" if value < _SMALLEST_SHOWN else f"= {value:.2g}"
