"""One day's realized performance with intervals, from the rows whose truth has arrived.

Pure functions. Add a measure here. Keep out: reading rows (stores), estimates without labels (models/calibration.py).
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
# log(0) is no number: what scikit-learn takes too.
_LEAST = float(np.finfo(np.float64).eps)


def measures(labels: Labels, probabilities: Probabilities, predictions: Labels) -> dict[str, Mapping[str, float]]:
    """Measure to value, low and high (95 %); both classes present.

    ROC-AUC: DeLong. Log loss and Brier score: mean of the rows, normal. Accuracy: Wilson. Expected calibration error
    (ten bins of equal size, Naeini et al. 2015): bootstrapped standard error (its percentiles are biased upwards), and
    `by_chance`, its mean for labels drawn from the probabilities themselves, since it is never zero for a sample.
    """
    auc = auc_interval(labels, probabilities)
    clipped = np.clip(probabilities, _LEAST, 1 - _LEAST)
    losses = -np.where(labels == 1, np.log(clipped), np.log1p(-clipped))
    n_right = int((labels == predictions).sum())
    low, high = wilson(n_right, len(labels))
    return {
        "roc_auc": {"value": auc.auc, "low": auc.low, "high": auc.high},
        "log_loss": _mean(losses),
        "brier_score": _mean((probabilities - labels) ** 2),
        "accuracy": {"value": n_right / len(labels), "low": low, "high": high},
        "calibration_error": _calibration_error(labels, probabilities),
    }


def reliability_table(labels: Labels, probabilities: Probabilities) -> list[dict[str, Any]]:
    """Deciles of the score with the observed share and its Wilson interval."""
    rows = []
    for row in score_table(labels, probabilities):
        low, high = wilson(round(row["positive_share"] * row["n_rows"]), row["n_rows"])
        rows.append({**row, "low": low, "high": high})
    return rows


def wilson(n_hits: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927)."""
    share, z2 = n_hits / n, _Z_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def expected_calibration_error(labels: Labels, probabilities: Probabilities) -> float:
    """Σ n_b / n · |mean probability − observed share| over ten bins of equal size."""
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
