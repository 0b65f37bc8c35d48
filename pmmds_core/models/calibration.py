"""Calibration of the model's probabilities on the reference data, and CBPE, which estimates performance without labels.

All functions are pure. Add an estimate here. Not here: its validity (evaluation/cbpe_validity.py), realized metrics
(statistics/classification.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from pmmds_core.errors import ArtifactCorruptError
from pmmds_core.statistics.arrays import Labels, Probabilities

# This limits the size of a calibration, which is part of every bundle. More points would not improve the accuracy.
MAX_POINTS = 200
_N_DRAWS = 200
_SEED = 20260301


class Calibration(msgspec.Struct, frozen=True):
    """A non-decreasing function from score to probability.

    The function is linear between the points and constant outside them. `scores` and `probabilities` are the
    coordinates of the points, in ascending order. `n_rows` is the number of reference rows used for fitting.
    """

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    n_rows: int

    @property
    def lowest(self) -> float:
        return self.scores[0]

    @property
    def highest(self) -> float:
        return self.scores[-1]

    def apply(self, scores: Probabilities) -> Probabilities:
        """Convert scores of shape (n,) to calibrated probabilities."""
        calibrated: Probabilities = np.interp(scores, self.scores, self.probabilities)
        return calibrated

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    @staticmethod
    def from_json(raw: bytes) -> Calibration:
        return msgspec.json.decode(raw, type=Calibration)


def check_calibration(calibration: Calibration) -> None:
    """Raise ArtifactCorruptError unless the calibration is a non-decreasing function from scores to probabilities."""
    scores, probabilities = calibration.scores, calibration.probabilities
    is_map = 0 < len(scores) == len(probabilities) and calibration.n_rows >= 0
    is_rising = all(a <= b for points in (scores, probabilities) for a, b in pairwise(points))
    if not (is_map and is_rising and all(0.0 <= x <= 1.0 for x in (*scores, *probabilities))):
        raise ArtifactCorruptError(
            "The model's calibration must be a non-decreasing function from scores to probabilities."
        )


@dataclass(frozen=True)
class Estimate:
    """The expected metrics, which assume that the calibration is valid, with a 95% interval from simulated labels."""

    roc_auc: float
    roc_auc_low: float
    roc_auc_high: float
    accuracy: float


def fit_calibration(scores: Probabilities, labels: Labels) -> Calibration:
    """Fit an isotonic regression of the label on the score.

    Args:
        scores: an array of shape (n,) with out-of-fold probabilities.
        labels: an array of shape (n,) with 0 and 1.
    """
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(scores, labels)
    points, values = fitted.X_thresholds_, fitted.y_thresholds_
    if len(points) > MAX_POINTS:
        sampled = np.unique(np.linspace(0, len(points) - 1, MAX_POINTS).round().astype(int))
        points, values = points[sampled], values[sampled]
    return Calibration(tuple(float(x) for x in points), tuple(float(y) for y in values), len(scores))


def estimate(scores: Probabilities, predictions: Labels, calibrated: Probabilities) -> Estimate:
    """Estimate the metrics of rows without labels by confidence-based performance estimation (CBPE).

    Args:
        scores: an array of shape (n,) with probabilities from the model, which rank the rows.
        predictions: an array of shape (n,) with the predictions of the model, 0 or 1.
        calibrated: an array of shape (n,) with the calibrated P(1) of each row.
    """
    correct = np.where(predictions == 1, calibrated, 1 - calibrated)
    drawn = _drawn_aucs(scores, calibrated)
    low, high = (float(x) for x in np.quantile(drawn, (0.025, 0.975))) if drawn.size else (float("nan"), float("nan"))
    return Estimate(expected_auc(scores, calibrated), low, high, float(correct.mean()))


def expected_auc(scores: Probabilities, calibrated: Probabilities) -> float:
    """Return the expected ROC-AUC: the expected share of positive-negative pairs that are correctly ordered.

    This is Σ c_i (1 − c_j) ([s_i > s_j] + ½ [s_i = s_j]) over i ≠ j, divided by Σ c_i (1 − c_j) over i ≠ j. It equals
    the area under the curve of expected confusion matrices, as in NannyML's CBPE, but without pairs of a row with
    itself. The result is NaN if no pair of rows can have different labels. Takes O(n log n) time.
    """
    order = np.argsort(scores, kind="stable")
    c, s = calibrated[order], scores[order]
    d = 1 - c
    first = np.concatenate([[True], s[1:] != s[:-1]])
    start = np.flatnonzero(first)
    negatives, positives = np.add.reduceat(d, start), np.add.reduceat(c, start)
    own = np.add.reduceat(c * d, start)
    below = np.cumsum(negatives) - negatives
    ordered = float((positives * below + 0.5 * (positives * negatives - own)).sum())
    pairs = float(c.sum() * d.sum() - (c * d).sum())
    return ordered / pairs if pairs > 0 else float("nan")


def _drawn_aucs(scores: Probabilities, calibrated: Probabilities) -> NDArray[np.float64]:
    """Return the ROC-AUCs of simulated labels, whose spread is that of a realized ROC-AUC."""
    random = np.random.default_rng(_SEED)
    order = np.argsort(scores, kind="stable")
    c, s = calibrated[order], scores[order]
    start = np.flatnonzero(np.concatenate([[True], s[1:] != s[:-1]]))
    aucs = []
    for _ in range(_N_DRAWS):
        labels = random.random(len(c)) < c
        positives, negatives = np.add.reduceat(labels, start), np.add.reduceat(~labels, start)
        n_positive, n_negative = int(positives.sum()), int(negatives.sum())
        if n_positive and n_negative:
            below = np.cumsum(negatives) - negatives
            aucs.append(float((positives * (below + 0.5 * negatives)).sum()) / n_positive / n_negative)
    return np.array(aucs)
