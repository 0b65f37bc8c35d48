"""Text about daily performance for the terminal, the page and Dagster.

Not here: measuring (workflows/daily_performance.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CBPE_EXPLANATION = (
    "CBPE estimates performance without labels, from the model's probabilities calibrated on the reference. On the "
    "Telco data its ROC-AUC error under covariate shift was 0.010 to 0.012. Under concept drift or with a broken "
    "input, the estimate is wrong, which cannot be detected without labels. It is marked as not valid if the rows are "
    "outside the reference's range; a valid estimate can still differ from the realized value."
)


def realized_text(document: Mapping[str, Any], measure: str, *, with_interval: bool = True) -> str:
    """Format a metric with its interval.

    If the metric was not measured, the text is the reason (for ROC-AUC) or a dash.
    """
    if document["realized"] is None:
        return document["reason"] if measure == "roc_auc" else "–"
    measured = document["realized"][measure]
    interval = f" ({measured['low']:.3f}–{measured['high']:.3f})" if with_interval else ""
    return f"{measured['value']:.3f}{interval}"


def estimate_text(document: Mapping[str, Any]) -> str:
    """Format the estimate, with the reasons if the estimate is not valid."""
    estimated = document["estimated"]
    value = "–" if estimated["roc_auc"] is None else f"{estimated['roc_auc']:.3f}"
    return value if estimated["is_valid"] else f"{value} not valid: {'; '.join(estimated['reasons'])}"
