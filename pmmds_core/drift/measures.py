"""Drift measures of binned counts: PSI, KL, JS, and for ordered bins Wasserstein and KS distance. Pure functions.

A measure added to MEASURES is tested by pmmds_tests/core/drift/test_statistical_properties.py. Not here:
significance (statistics/homogeneity.py), reports (comparison.py), rules (rules/).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pmmds_core.statistics.arrays import Counts, Shares

# Added to every bin, so that the logarithm of an empty one is finite: the Jeffreys (expected-likelihood) estimate,
# Krichevsky and Trofimov (1981). Replacing zeros by a small share distorts rare bins: one missing row moves PSI from
# 0.017 to 0.023 with a replacement of 1e-4, and to 0.0176 with this.
SMOOTHING = 0.5


@dataclass(frozen=True)
class Measure:
    """A named distance between current and reference counts.

    `compute`: (reference_counts, current_counts, n_ordered) → float, NaN if a side has no rows; the first
    `n_ordered` bins are ordered. `needs_order`: not defined for categories. `largest`: upper bound of its values.
    """

    name: str
    compute: Callable[[Counts, Counts, int], float]
    needs_order: bool = False
    largest: float = math.inf


def psi(reference_counts: Counts, current_counts: Counts) -> float:
    """Population Stability Index: Σ (c − r) · ln(c / r) over the bins' shares r and c. Both arguments are (B,).

    0 for equal shares, never negative, symmetric. Siddiqi, Credit Risk Scorecards (2006); Yurdakul, Statistical
    Properties of the Population Stability Index (2018). Shares are smoothed by SMOOTHING rows per bin; bins that
    are empty on both sides are ignored. NaN if a side has no rows.
    """
    r, c = _smoothed(reference_counts, current_counts)
    return float(np.sum((c - r) * np.log(c / r)))


def kl_divergence(reference_counts: Counts, current_counts: Counts) -> float:
    """Kullback–Leibler divergence of the current from the reference, Σ c · ln(c / r), in nats. Arguments are (B,).

    Kullback and Leibler (1951). Smoothed like `psi`. NaN if a side has no rows.
    """
    r, c = _smoothed(reference_counts, current_counts)
    return _not_negative(float(np.sum(c * np.log(c / r))))


def js_divergence(reference_counts: Counts, current_counts: Counts) -> float:
    """Jensen–Shannon divergence in nats, 0 to ln 2: the mean KL divergence from the mixture of both. Arguments: (B,).

    Lin, Divergence Measures Based on the Shannon Entropy (1991). Written in x = (r − c) / (r + c) to avoid
    cancellation for nearly equal shares: Σ (r + c) / 4 · (ln(1 − x²) + 2x · artanh x). Smoothed like `psi`. NaN if a
    side has no rows.
    """
    r, c = _smoothed(reference_counts, current_counts)
    x = (r - c) / (r + c)
    return _not_negative(float(np.sum((r + c) / 4 * (np.log1p(-x * x) + 2 * x * np.arctanh(x)))))


def js_distance(reference_counts: Counts, current_counts: Counts) -> float:
    """Jensen–Shannon distance: the square root of the divergence in nats, 0 to √ln 2 ≈ 0.833. Arguments: (B,).

    Equals scipy.spatial.distance.jensenshannon with its default base. Endres and Schindelin (2003).
    """
    return math.sqrt(js_divergence(reference_counts, current_counts))


def wasserstein_distance(reference_counts: Counts, current_counts: Counts, n_ordered: int) -> float:
    """Earth mover's distance in bin ranks, scaled so that 1 is the distance from the first to the last ordered bin.

    With quantile bins this is the reference's rank scale, on which an outlier is at most in the last bin. The unordered
    bins that follow (unseen, out of range, not a number, null) lie beyond the last ordered bin at distances 1 to 4.
    Not smoothed. Equals scipy.stats.wasserstein_distance at those positions; Vallender (1973). NaN if a side has no
    rows.

    Args:
        reference_counts: (B,).
        current_counts: (B,).
        n_ordered: number of leading bins that are ordered, at least 1.
    """
    steps = np.ones(len(reference_counts) - 1)
    steps[: n_ordered - 1] = 1 / max(n_ordered - 1, 1)
    return float(np.sum(np.abs(_cumulative_difference(reference_counts, current_counts)[:-1]) * steps))


def ks_distance(reference_counts: Counts, current_counts: Counts) -> float:
    """Kolmogorov–Smirnov distance at the bin edges, 0 to 1: the largest difference of the cumulative shares.

    Null and the other unordered bins come last, in layout order. The exact distance can be larger between edges.
    Not smoothed. Arguments: (B,). NaN if a side has no rows.
    """
    return float(np.max(np.abs(_cumulative_difference(reference_counts, current_counts))))


MEASURES: Mapping[str, Measure] = {
    m.name: m
    for m in (
        Measure("psi", lambda r, c, _n: psi(r, c)),
        Measure("kl_divergence", lambda r, c, _n: kl_divergence(r, c)),
        Measure("js_divergence", lambda r, c, _n: js_divergence(r, c), largest=math.log(2)),
        Measure("js_distance", lambda r, c, _n: js_distance(r, c), largest=math.sqrt(math.log(2))),
        # Its bound depends on the number of unordered bins.
        Measure("wasserstein_distance", wasserstein_distance, needs_order=True),
        Measure("ks_distance", lambda r, c, _n: ks_distance(r, c), needs_order=True, largest=1.0),
    )
}


def psi_expected_by_chance(n_reference: int, n_current: int, n_bins: int) -> float:
    """Mean PSI of two samples of the same distribution: (1/N + 1/n) · (B − 1).

    Yurdakul (2018): without drift PSI is about (1/N + 1/n) times a chi-square variable with B − 1 degrees of freedom.
    """
    return (1 / n_reference + 1 / n_current) * (n_bins - 1)


def _cumulative_difference(reference_counts: Counts, current_counts: Counts) -> NDArray[np.float64]:
    """F_c − F_r at the upper end of each bin; NaN if a side has no rows."""
    n, m = int(np.sum(reference_counts)), int(np.sum(current_counts))
    if n == 0 or m == 0:
        return np.full(len(reference_counts), math.nan)
    return np.cumsum(current_counts) / m - np.cumsum(reference_counts) / n


def _not_negative(value: float) -> float:
    """Clip rounding errors such as -1e-17 to 0; NaN stays NaN (not evaluated)."""
    return value if math.isnan(value) else max(0.0, value)


def _smoothed(reference_counts: Counts, current_counts: Counts) -> tuple[Shares, Shares]:
    """Smoothed shares of the bins with rows on either side; NaN if a side has no rows."""
    r, c = np.asarray(reference_counts, dtype=np.float64), np.asarray(current_counts, dtype=np.float64)
    if r.sum() == 0 or c.sum() == 0:
        return np.array([math.nan]), np.array([math.nan])
    used = (r + c) > 0
    r, c = r[used] + SMOOTHING, c[used] + SMOOTHING
    return r / r.sum(), c / c.sum()
