"""Daily performance in a person's words, for terminal, page and Dagster. Keep out: measuring it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

WHAT_CBPE_IS = (
    "CBPE estimates performance without labels: it takes the model's probabilities, calibrated on the reference, at "
    "their word. Where only the mix of rows has changed it erred by .010 to .012 of ROC-AUC on the Telco data; where "
    "the truth of the same rows has changed (concept drift), or an input is broken, it is wrong and cannot know. It is "
    "marked as not valid outside what the reference covered; a valid one is still an estimate, and labels decide."
)


def window_start(n_days: int, now: datetime | None = None) -> datetime:
    """The first instant of the first of `n_days` UTC days, the last of which is today."""
    today = (now or datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=n_days - 1)


def realized_text(document: Mapping[str, Any], measure: str, *, with_interval: bool = True) -> str:
    """A measure with its interval, or a dash where it could not be measured."""
    if document["realized"] is None:
        return document["reason"] if measure == "roc_auc" else "–"
    found = document["realized"][measure]
    interval = f" ({found['low']:.3f}–{found['high']:.3f})" if with_interval else ""
    return f"{found['value']:.3f}{interval}"


def estimate_text(document: Mapping[str, Any]) -> str:
    """The estimate, and what speaks against it."""
    found = document["estimated"]
    value = "–" if found["roc_auc"] is None else f"{found['roc_auc']:.3f}"
    return value if found["is_valid"] else f"{value} not valid: {'; '.join(found['reasons'])}"
