"""Pearson's chi-square test that two samples fell into the same bins. Keep out: every other statistic (drift.py).

Written out, so that the core needs no statistics library; a test holds it to scipy's values.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def homogeneity_p_value(reference_counts: NDArray[np.int64], current_counts: NDArray[np.int64]) -> float:
    """Chance of counts at least this different when both samples come from one distribution.

    Pearson (1900), on the 2 × B table without the bins that are empty on both sides; without a correction.

    Args:
        reference_counts: (B,).
        current_counts: (B,); both samples have rows.
    """
    table = np.stack([reference_counts, current_counts]).astype(np.float64)
    table = table[:, table.sum(axis=0) > 0]
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return survival(statistic, table.shape[1] - 1)


def survival(statistic: float, degrees: int) -> float:
    """P(X > statistic) for X chi-square with `degrees` degrees of freedom; 1 for none.

    Abramowitz and Stegun (1964), 26.4.4 and 26.4.5: finite sums of positive terms.
    """
    if degrees <= 0 or statistic <= 0:
        return 1.0
    half = statistic / 2
    if degrees % 2 == 0:
        return min(1.0, _partial_sum(half, 0.0, degrees // 2))
    return min(1.0, math.erfc(math.sqrt(half)) + _partial_sum(half, 0.5, degrees // 2))


def _partial_sum(half: float, first: float, n_terms: int) -> float:
    """Sum of exp(-half) · half^k / Γ(k + 1) for k = first, first + 1, …; in logarithms, so that nothing overflows."""
    powers = (first + i for i in range(n_terms))
    return math.fsum(math.exp(k * math.log(half) - half - math.lgamma(k + 1)) for k in powers)
