"""Computes realized performance with 95% intervals from labeled rows.

Not here: reading rows (stores/), estimates without labels (models/calibration.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pmmds_core.statistics.arrays import Labels, Probabilities
from pmmds_core.statistics.classification import auc_interval, score_table

_Z_95 = 1.959963984540054
_N_DRAWS = 200
_SEED = 20260302
# This avoids log(0). The value is the same as in scikit-learn.
_MIN_PROBABILITY = float(np.finfo(np.float64).eps)


def measures(labels: Labels, probabilities: Probabilities, predictions: Labels) -> dict[str, Mapping[str, float]]:
    """Return the value and the 95% interval (`value`, `low`, `high`) of each metric. Both classes must be present.

    The intervals are DeLong's for ROC-AUC, normal intervals of the mean for log loss and Brier score, and Wilson's for
    accuracy. The interval of the expected calibration error (ten bins of equal size, Naeini et al. 2015) uses the
    bootstrapped standard error, because bootstrap percentiles are biased upward. Because this error is never zero for a
    sample, `by_chance` is the mean error for labels drawn from the probabilities.
    """
    auc = auc_interval(labels, probabilities)
    clipped = np.clip(probabilities, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    losses = -np.where(labels == 1, np.log(clipped), np.log1p(-clipped))
    n_correct = int((labels == predictions).sum())
    low, high = wilson(n_correct, len(labels))
    return {
        "roc_auc": {"value": auc.auc, "low": auc.low, "high": auc.high},
        "log_loss": _mean(losses),
        "brier_score": _mean((probabilities - labels) ** 2),
        "accuracy": {"value": n_correct / len(labels), "low": low, "high": high},
        "calibration_error": _calibration_error(labels, probabilities),
    }


def reliability_table(labels: Labels, probabilities: Probabilities) -> list[dict[str, Any]]:
    """Return the deciles of the score with the share of positives and its Wilson interval."""
    rows = []
    for row in score_table(labels, probabilities):
        low, high = wilson(round(row["positive_share"] * row["n_rows"]), row["n_rows"])
        rows.append({**row, "low": low, "high": high})
    return rows


def wilson(n_hits: int, n: int) -> tuple[float, float]:
    """Return the 95% score interval of a proportion (Wilson 1927)."""
    share, z2 = n_hits / n, _Z_95**2
    center = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, center - half), min(1.0, center + half)


def expected_calibration_error(labels: Labels, probabilities: Probabilities) -> float:
    """Return Σ n_b / n · |mean probability − observed share| over ten bins of equal size."""
    parts = score_table(labels, probabilities)
    return float(sum(r["n_rows"] / len(labels) * abs(r["mean_probability"] - r["positive_share"]) for r in parts))


def _calibration_error(labels: Labels, probabilities: Probabilities) -> dict[str, float]:
    random = np.random.default_rng(_SEED)
    n = len(labels)
    drawn, perfect = [], []
    for _ in range(_N_DRAWS):
        rows = random.integers(0, n, n)
        drawn.append(expected_calibration_error(labels[rows], probabilities[rows]))
        chance = (random.random(n) < probabilities).astype(np.int64)
        perfect.append(expected_calibration_error(chance, probabilities))
    value, half = expected_calibration_error(labels, probabilities), _Z_95 * float(np.std(drawn))
    return {"value": value, "low": max(0.0, value - half), "high": value + half, "by_chance": float(np.mean(perfect))}


def _mean(values: Probabilities) -> dict[str, float]:
    value = float(values.mean())
    half = _Z_95 * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return {"value": value, "low": max(0.0, value - half), "high": value + half}
