"""Calibration of the model's probabilities, fitted on the reference, and CBPE: performance estimated without labels.

Pure functions. Add an estimate here. Keep out: whether to trust it (evaluation/cbpe_validity.py), realized
metrics (statistics/classification.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from pmmds_core.errors import ArtifactCorruptError
from pmmds_core.statistics.arrays import Labels, Probabilities

# A calibration travels with every model version: finer steps than this say nothing that the reference knew.
MAX_POINTS = 200
_N_DRAWS = 200
_SEED = 20260301


class Calibration(msgspec.Struct, frozen=True):
    """A non-decreasing map from score to probability: linear between the points, constant outside them.

    `scores`, `probabilities`: the points, ascending. `n_rows`: reference rows it was fitted on.
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
        """(n,) scores as calibrated probabilities."""
        calibrated: Probabilities = np.interp(scores, self.scores, self.probabilities)
        return calibrated

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)

    @staticmethod
    def from_json(raw: bytes) -> Calibration:
        return msgspec.json.decode(raw, type=Calibration)


def check_calibration(calibration: Calibration) -> None:
    """Raises ArtifactCorruptError when it is no non-decreasing map from scores to probabilities."""
    scores, probabilities = calibration.scores, calibration.probabilities
    is_map = 0 < len(scores) == len(probabilities) and calibration.n_rows >= 0
    is_rising = all(a <= b for points in (scores, probabilities) for a, b in pairwise(points))
    if not (is_map and is_rising and all(0.0 <= x <= 1.0 for x in (*scores, *probabilities))):
        raise ArtifactCorruptError("The calibration of the model is no map from scores to probabilities.")


@dataclass(frozen=True)
class Estimate:
    """What the metrics would be if the calibration held. The interval is that of labels drawn from it (95 %)."""

    roc_auc: float
    roc_auc_low: float
    roc_auc_high: float
    accuracy: float


def fit_calibration(scores: Probabilities, labels: Labels) -> Calibration:
    """Isotonic regression of the truth on the score.

    Args:
        scores: (n,) out-of-fold probabilities: those of a model that has not seen the row.
        labels: (n,) of 0 and 1.
    """
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(scores, labels)
    points, values = fitted.X_thresholds_, fitted.y_thresholds_
    if len(points) > MAX_POINTS:
        kept = np.unique(np.linspace(0, len(points) - 1, MAX_POINTS).round().astype(int))
        points, values = points[kept], values[kept]
    return Calibration(tuple(float(x) for x in points), tuple(float(y) for y in values), len(scores))


def estimate(scores: Probabilities, predictions: Labels, calibrated: Probabilities) -> Estimate:
    """Confidence-based performance estimation: expected metrics over labels that nobody has seen.

    Args:
        scores: (n,) the model's probabilities, which rank the rows.
        predictions: (n,) its answers, 0 or 1.
        calibrated: (n,) P(1) of each row.
    """
    correct = np.where(predictions == 1, calibrated, 1 - calibrated)
    drawn = _drawn_aucs(scores, calibrated)
    low, high = (float(x) for x in np.quantile(drawn, (0.025, 0.975))) if drawn.size else (float("nan"), float("nan"))
    return Estimate(expected_auc(scores, calibrated), low, high, float(correct.mean()))


def expected_auc(scores: Probabilities, calibrated: Probabilities) -> float:
    """Expected ROC-AUC, as the ratio of the expected numbers of ordered pairs and of pairs.

    Σ c_i (1 − c_j) [s_i > s_j] + ½ [s_i = s_j] over i ≠ j, by Σ c_i (1 − c_j) over i ≠ j: the area under the curve of
    expected confusion matrices, as NannyML's CBPE draws it, without pairing a row with itself. NaN where no two rows
    can differ. O(n log n).
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
    """ROC-AUCs of labels drawn from the calibrated probabilities: how far a realized one may fall from the expected."""
    random = np.random.default_rng(_SEED)
    order = np.argsort(scores, kind="stable")
    c, s = calibrated[order], scores[order]
    start = np.flatnonzero(np.concatenate([[True], s[1:] != s[:-1]]))
    found = []
    for _ in range(_N_DRAWS):
        labels = random.random(len(c)) < c
        positives, negatives = np.add.reduceat(labels, start), np.add.reduceat(~labels, start)
        n_positive, n_negative = int(positives.sum()), int(negatives.sum())
        if n_positive and n_negative:
            below = np.cumsum(negatives) - negatives
            found.append(float((positives * (below + 0.5 * negatives)).sum()) / n_positive / n_negative)
    return np.array(found)
