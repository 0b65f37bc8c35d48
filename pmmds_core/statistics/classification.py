"""Classification metrics from labels and probabilities, and the paired DeLong test.

Not here: the promotion decision (policies/promotion.py) and intervals of the other metrics (intervals.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pmmds_core.statistics.arrays import Labels, Probabilities

# The prediction is 1 for probabilities of at least this value.
DECISION_THRESHOLD = 0.5

# The minimum number of rows per class for a ROC-AUC, because DeLong's variance is an average over the rows of a class.
MIN_ROWS_A_CLASS = 10

_Z_95 = 1.959963984540054


@dataclass(frozen=True)
class AucInterval:
    """A ROC-AUC with its 95% confidence interval.

    The interval is DeLong's on the logit scale or, for a perfect ranking, Newcombe's.
    """

    auc: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedAuc:
    """Two ROC-AUCs on the same rows.

    `p_value` is one-sided. The null hypothesis is that the first ROC-AUC is not better.
    """

    first: float
    second: float
    standard_error: float
    p_value: float

    @property
    def difference(self) -> float:
        return self.first - self.second


def classification_metrics(
    labels: Labels, probabilities: Probabilities, threshold: float = DECISION_THRESHOLD
) -> dict[str, float]:
    """Return metrics by their scikit-learn names.

    Args:
        labels: an array of shape (n,) with 0 and 1, both of which are present.
        probabilities: an array of shape (n,) with P(1).
        threshold: predict 1 for probabilities of at least this value.
    """
    from sklearn import metrics

    predictions = (probabilities >= threshold).astype(int)
    return {
        "roc_auc": float(metrics.roc_auc_score(labels, probabilities)),
        "average_precision": float(metrics.average_precision_score(labels, probabilities)),
        "log_loss": float(metrics.log_loss(labels, probabilities, labels=[0, 1])),
        "brier_score": float(metrics.brier_score_loss(labels, probabilities)),
        "accuracy": float(metrics.accuracy_score(labels, predictions)),
        "precision": float(metrics.precision_score(labels, predictions, zero_division=0.0)),
        "recall": float(metrics.recall_score(labels, predictions)),
        "f1": float(metrics.f1_score(labels, predictions)),
    }


def has_both_classes(labels: Labels) -> bool:
    """Return True if there are at least MIN_ROWS_A_CLASS labels of each class."""
    n_positive = int(labels.sum())
    return min(n_positive, len(labels) - n_positive) >= MIN_ROWS_A_CLASS


def auc_interval(labels: Labels, probabilities: Probabilities) -> AucInterval:
    """Return the ROC-AUC with its 95% interval, computed on the logit scale so that it stays between 0 and 1.

    A perfect ranking has a DeLong variance of zero, so Newcombe's interval is used instead.
    Raises ValueError if all labels have the same class.
    """
    aucs, covariance = _delong(labels, probabilities[None, :])
    auc, variance = float(aucs[0]), float(covariance[0, 0])
    if not 0 < auc < 1:
        beyond = _beyond_perfect(int((labels == 1).sum()), int((labels == 0).sum()))
        return AucInterval(auc, 1 - beyond, 1.0) if auc == 1 else AucInterval(auc, 0.0, beyond)
    if variance == 0:  # every row has the same score
        return AucInterval(auc, auc, auc)
    center = math.log(auc / (1 - auc))
    half = _Z_95 * math.sqrt(variance) / (auc * (1 - auc))
    return AucInterval(auc, _logistic(center - half), _logistic(center + half))


def _beyond_perfect(m: int, n: int) -> float:
    """Return 1 minus the lower limit of the ROC-AUC for a perfect ranking of m positive and n negative rows.

    The limit is that of Newcombe's method 5 (2006, part 2): bisection finds the θ at which 1 − θ = z·√V(θ), with Hanley
    and McNeil's V and N* = (m + n) / 2 − 1.
    """
    pairs, spread = m * n, (m + n) / 2 - 1
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        theta = (low + high) / 2
        variance = theta * (1 - theta) / pairs * (1 + spread * ((1 - theta) / (2 - theta) + theta / (1 + theta)))
        low, high = (theta, high) if 1 - theta > _Z_95 * math.sqrt(variance) else (low, theta)
    return 1 - (low + high) / 2


def paired_auc(labels: Labels, first: Probabilities, second: Probabilities) -> PairedAuc:
    """Run the paired DeLong test (DeLong, DeLong and Clarke-Pearson 1988) with midranks (Sun and Xu 2014)."""
    aucs, covariance = _delong(labels, np.vstack([first, second]))
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    error = math.sqrt(max(variance, 0.0))
    difference = float(aucs[0] - aucs[1])
    if error == 0:
        return PairedAuc(float(aucs[0]), float(aucs[1]), 0.0, 1.0 if difference <= 0 else 0.0)
    return PairedAuc(float(aucs[0]), float(aucs[1]), error, 0.5 * math.erfc(difference / error / math.sqrt(2)))


def _delong(labels: Labels, scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the AUCs, with shape (k,), and their covariance, with shape (k, k), for k score vectors.

    The score vectors have shape (k, n).
    """
    positive, negative = scores[:, labels == 1], scores[:, labels == 0]
    m, n = positive.shape[1], negative.shape[1]
    if m == 0 or n == 0:
        raise ValueError("ROC-AUC requires rows of both classes")
    rank_positive = np.array([_midranks(row) for row in positive])
    rank_negative = np.array([_midranks(row) for row in negative])
    rank_all = np.array([_midranks(row) for row in np.hstack([positive, negative])])
    aucs = (rank_all[:, :m].sum(axis=1) / m - (m + 1) / 2) / n
    v01 = (rank_all[:, :m] - rank_positive) / n
    v10 = 1 - (rank_all[:, m:] - rank_negative) / m
    return aucs, _covariance(v01) / m + _covariance(v10) / n


def _covariance(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if values.shape[1] < 2:
        return np.zeros((values.shape[0], values.shape[0]))
    return np.atleast_2d(np.cov(values))


def _midranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks that start at 1. Tied values get their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return middle


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def score_table(labels: Labels, probabilities: Probabilities, n_rows: int = 10) -> list[dict[str, Any]]:
    """Return a reliability table with `n_rows` bins of equal size.

    Each bin has its count, its mean probability and its share of positives.
    """
    order = np.argsort(probabilities, kind="stable")
    return [
        {
            "n_rows": int(part.size),
            "mean_probability": float(probabilities[part].mean()),
            "positive_share": float(labels[part].mean()),
        }
        for part in np.array_split(order, n_rows)
        if part.size
    ]
