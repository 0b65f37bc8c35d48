"""Likelihood-ratio test on two samples of binned counts, and the chi-square tail probability.

scipy is not used, because importing scipy.stats takes 17 times the CPU time of importing numpy (docs/decisions/0040).
Tests compare the results with those of scipy. Not here: the treatment of rare bins (homogeneity.py).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def likelihood_ratio_p_value(reference_counts: NDArray[np.int64], current_counts: NDArray[np.int64]) -> float:
    """Return the probability of counts at least this different if both samples have the same distribution.

    The statistic is G² = 2 Σ O ln(O / E) over the 2 × B table, without bins that are empty on both sides and with the
    correction of Williams (1976). It has a chi-square distribution with B − 1 degrees of freedom. For expected counts
    between 5 and 20, its far tail, which matters when testing many features, is more accurate than that of Pearson's
    statistic (decision 11). For a large reference, G² is 2n times the KL divergence of the current shares.

    Args:
        reference_counts: an array of shape (B,). There must be rows.
        current_counts: an array of shape (B,). There must be rows.
    """
    table = np.stack([reference_counts, current_counts]).astype(np.float64)
    table = table[:, table.sum(axis=0) > 0]
    rows, columns, total = table.sum(axis=1), table.sum(axis=0), float(table.sum())
    degrees = table.shape[1] - 1
    if degrees == 0:
        return 1.0
    expected = np.outer(rows, columns) / total
    statistic = 2 * float((table * np.log(np.where(table > 0, table, expected) / expected)).sum())
    spread = (total * float((1 / rows).sum()) - 1) * (total * float((1 / columns).sum()) - 1)
    return survival(statistic / (1 + spread / (6 * total * degrees)), degrees)


def survival(statistic: float, degrees: int) -> float:
    """Return P(X > statistic) for a chi-square variable X with `degrees` degrees of freedom.

    The result is 1 if `degrees` is 0. It is computed from the finite sums of positive terms in Abramowitz and Stegun
    (1964), 26.4.4 and 26.4.5.
    """
    half = statistic / 2
    if degrees <= 0 or half <= 0:
        return 1.0
    if degrees % 2 == 0:
        return min(1.0, _partial_sum(half, 0.0, degrees // 2))
    return min(1.0, math.erfc(math.sqrt(half)) + _partial_sum(half, 0.5, degrees // 2))


def _partial_sum(half: float, first: float, n_terms: int) -> float:
    """Sum exp(-half) · half^k / Γ(k + 1) for k = first, first + 1, …, using logarithms to avoid overflow."""
    powers = (first + i for i in range(n_terms))
    return math.fsum(math.exp(k * math.log(half) - half - math.lgamma(k + 1)) for k in powers)
