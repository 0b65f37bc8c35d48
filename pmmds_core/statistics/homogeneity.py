"""Homogeneity test of two samples of binned counts that gives one p-value and remains valid with rare bins.

It uses a likelihood-ratio test for bins with an expected count of at least 5 (Cochran 1954), and Fisher's exact test
for rare bins. Given the margins, the two are independent, because the multivariate hypergeometric distribution is the
product of the rare bins' distribution and the conditional distribution of the other bins. The distribution of the
smallest p-value is therefore known. Not here: distances (drift/measures.py).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pmmds_core.statistics.arrays import Counts
from pmmds_core.statistics.chi_square import likelihood_ratio_p_value

# The minimum expected count in the smaller sample (Cochran's rule).
MIN_EXPECTED = 5.0
# Probabilities that differ only by rounding count as equal, as in the Fisher tests of R and scipy.
_EQUAL = 1 + 1e-7


@dataclass(frozen=True)
class _Exact:
    """A discrete p-value. `probabilities` has the probability of each possible count given the margins."""

    p_value: float
    probabilities: NDArray[np.float64]

    def chance_of_at_most(self, p_value: float) -> float:
        """Return P(p-value ≤ p_value) under the null hypothesis.

        The result is at most p_value, and less for small counts.
        """
        ordered = np.sort(self.probabilities)
        reached = np.cumsum(ordered)[np.searchsorted(ordered, ordered * _EQUAL, side="right") - 1]
        allowed = reached <= p_value * _EQUAL
        return float(ordered[allowed].sum())


def p_value(
    reference_counts: Counts, current_counts: Counts, special: Collection[int] = (), unseen: int | None = None
) -> float:
    """Return the probability of counts at least this different if both samples have the same distribution.

    If no expected count is below 5, the result equals that of `chi_square.likelihood_ratio_p_value`. Bins that are
    rarer are pooled into one bin, except for the bins in `special`. The pooled bin and each special bin are tested by
    Fisher's exact test (two-sided by probability). The result is the probability that the smallest p-value of all tests
    is at most the observed one.

    Args:
        reference_counts: an array of shape (B,). There must be rows.
        current_counts: an array of shape (B,). There must be rows.
        special: bins that are never pooled (null, out of range).
        unseen: the bin of unseen values. It is pooled with the rare bins, because if most values are rare, a window has
            many unseen values even without drift.
    """
    r, c = np.asarray(reference_counts, dtype=np.int64), np.asarray(current_counts, dtype=np.int64)
    common, rare = _split(r, c, special, unseen)
    exact: list[_Exact] = []
    n, m = int(r.sum()), int(c.sum())
    for rare_r, rare_c in rare:
        exact.append(_fisher(rare_r, rare_c, n, m))
        n, m = n - rare_r, m - rare_c
    is_judged = len(common) > 1 and n > 0 and m > 0
    asymptotic = likelihood_ratio_p_value(common[:, 0], common[:, 1]) if is_judged else 1.0
    smallest = min(asymptotic, *(e.p_value for e in exact), 1.0)
    if not exact or (len(exact) == 1 and not is_judged):
        return smallest
    chances = [e.chance_of_at_most(smallest) for e in exact] + [smallest] * is_judged
    return min(1.0, -math.expm1(math.fsum(math.log1p(-min(chance, 1 - 1e-16)) for chance in chances)))


def _split(r: Counts, c: Counts, special: Collection[int], unseen: int | None) -> tuple[Counts, list[tuple[int, int]]]:
    """Return the bins for the chi-square test, with shape (K, 2), and the rare bins.

    The special bins among the rare bins stay separate, and the others are pooled.
    """
    total = r + c
    smaller_share = min(int(r.sum()), int(c.sum())) / int(total.sum())
    is_rare = (total > 0) & (total * smaller_share < MIN_EXPECTED)
    if unseen is not None:
        is_rare[unseen] = total[unseen] > 0
    pooled = [i for i in np.flatnonzero(is_rare) if i not in special]
    groups = [np.array([i]) for i in np.flatnonzero(is_rare) if i in special]
    common = np.stack([r, c], axis=1)[(total > 0) & ~is_rare]
    if pooled:
        pool = np.array(pooled)
        if total[pool].sum() * smaller_share >= MIN_EXPECTED:
            common = np.vstack([common, [[r[pool].sum(), c[pool].sum()]]])
        else:
            groups.append(pool)
    return common, [(int(r[g].sum()), int(c[g].sum())) for g in groups]


def _fisher(rare_reference: int, rare_current: int, n_reference: int, n_current: int) -> _Exact:
    """Run Fisher's exact test of one bin against all other bins (Fisher 1935).

    The result also has the distribution of the bin's count.
    """
    size, other, observed = n_current, n_reference, rare_current
    if n_reference < n_current:
        size, other, observed = n_reference, n_current, rare_reference
    total = rare_reference + rare_current
    low, high = max(0, total - other), min(total, size)
    k = np.arange(low, high, dtype=np.float64)
    steps = np.log((total - k) * (size - k)) - np.log((k + 1) * (other - total + k + 1))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    probabilities = np.exp(logs - logs.max())
    probabilities /= probabilities.sum()
    limit = probabilities[observed - low] * _EQUAL
    return _Exact(min(1.0, float(probabilities[probabilities <= limit].sum())), probabilities)
