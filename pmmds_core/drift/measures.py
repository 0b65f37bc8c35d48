"""Drift measures of binned counts: PSI, KL, JS and, for ordered bins, the Wasserstein and KS distances.

All functions are pure. A measure added to MEASURES is tested by pmmds_tests/core/drift/test_statistical_properties.py.
Not here: significance (statistics/homogeneity.py), reports (comparison.py), rules (rules/).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pmmds_core.statistics.arrays import Counts, Shares

# This number is added to every bin, so that the logarithm of an empty bin is finite. It is the Jeffreys
# (expected-likelihood) estimate of Krichevsky and Trofimov (1981). Replacing zeros by a small share instead would
# distort rare bins: one missing row moves the PSI from 0.017 to 0.023 if zeros are replaced by 1e-4, and to 0.0176 with
# this estimate.
SMOOTHING = 0.5


@dataclass(frozen=True)
class Measure:
    """A named distance between current and reference counts.

    `compute` takes the reference counts, the current counts and `n_ordered`, the number of leading bins that are
    ordered. It returns a float, which is NaN if a side has no rows. `needs_order` is True if the measure is not defined
    for categories. `largest` is the upper bound of the measure's values.
    """

    name: str
    compute: Callable[[Counts, Counts, int], float]
    needs_order: bool = False
    largest: float = math.inf


def psi(reference_counts: Counts, current_counts: Counts) -> float:
    """Return the Population Stability Index, Σ (c − r) · ln(c / r) over the bins' shares r and c.

    Both arguments have shape (B,). The index is 0 for equal shares, never negative, and symmetric. See Siddiqi, Credit
    Risk Scorecards (2006), and Yurdakul, Statistical Properties of the Population Stability Index (2018). The shares
    are smoothed by SMOOTHING rows per bin, and bins that are empty on both sides are ignored. The result is NaN if a
    side has no rows.
    """
    r, c = _smoothed(reference_counts, current_counts)
    return float(np.sum((c - r) * np.log(c / r)))


def kl_divergence(reference_counts: Counts, current_counts: Counts) -> float:
    """Return the Kullback–Leibler divergence of the current from the reference, Σ c · ln(c / r), in nats.

    Both arguments have shape (B,). See Kullback and Leibler (1951). The shares are smoothed as for `psi`. The result is
    NaN if a side has no rows.
    """
    r, c = _smoothed(reference_counts, current_counts)
    return _not_negative(float(np.sum(c * np.log(c / r))))


def js_divergence(reference_counts: Counts, current_counts: Counts) -> float:
    """Return the Jensen–Shannon divergence in nats, which is between 0 and ln 2.

    It is the mean KL divergence of both sides from their mixture. See Lin, Divergence Measures Based on the Shannon
    Entropy (1991). Both arguments have shape (B,). The divergence is computed from x = (r − c) / (r + c), as Σ (r + c)
    / 4 · (ln(1 − x²) + 2x · artanh x), because this form avoids cancellation for nearly equal shares. The shares are
    smoothed as for `psi`. The result is NaN if a side has no rows.
    """
    r, c = _smoothed(reference_counts, current_counts)
    x = (r - c) / (r + c)
    return _not_negative(float(np.sum((r + c) / 4 * (np.log1p(-x * x) + 2 * x * np.arctanh(x)))))


def js_distance(reference_counts: Counts, current_counts: Counts) -> float:
    """Return the Jensen–Shannon distance, which is between 0 and √ln 2 ≈ 0.833.

    It is the square root of the divergence in nats. Both arguments have shape (B,). The result equals that of
    scipy.spatial.distance.jensenshannon with its default base. See Endres and Schindelin (2003).
    """
    return math.sqrt(js_divergence(reference_counts, current_counts))


def wasserstein_distance(reference_counts: Counts, current_counts: Counts, n_ordered: int) -> float:
    """Return the earth mover's distance in bin ranks, where 1 is the distance from the first to the last ordered bin.

    With quantile bins, this is the reference's rank scale, so an outlier is at most in the last bin. The unordered bins
    that follow (unseen, out of range, not a number, null) lie beyond the last ordered bin at distances 1 to 4. The
    shares are not smoothed. The result equals that of scipy.stats.wasserstein_distance at these positions. See
    Vallender (1973). The result is NaN if a side has no rows.

    Args:
        reference_counts: an array of shape (B,).
        current_counts: an array of shape (B,).
        n_ordered: number of leading bins that are ordered, at least 1.
    """
    steps = np.ones(len(reference_counts) - 1)
    steps[: n_ordered - 1] = 1 / max(n_ordered - 1, 1)
    return float(np.sum(np.abs(_cumulative_difference(reference_counts, current_counts)[:-1]) * steps))


def ks_distance(reference_counts: Counts, current_counts: Counts) -> float:
    """Return the Kolmogorov–Smirnov distance at the bin edges, which is between 0 and 1.

    It is the largest difference between the cumulative shares, with null and the other unordered bins last, in layout
    order. The exact distance can be larger between the edges. The shares are not smoothed. Both arguments have shape
    (B,). The result is NaN if a side has no rows.
    """
    return float(np.max(np.abs(_cumulative_difference(reference_counts, current_counts))))


MEASURES: Mapping[str, Measure] = {
    m.name: m
    for m in (
        Measure("psi", lambda r, c, _n: psi(r, c)),
        Measure("kl_divergence", lambda r, c, _n: kl_divergence(r, c)),
        Measure("js_divergence", lambda r, c, _n: js_divergence(r, c), largest=math.log(2)),
        Measure("js_distance", lambda r, c, _n: js_distance(r, c), largest=math.sqrt(math.log(2))),
        # The upper bound of the distance depends on the number of unordered bins.
        Measure("wasserstein_distance", wasserstein_distance, needs_order=True),
        Measure("ks_distance", lambda r, c, _n: ks_distance(r, c), needs_order=True, largest=1.0),
    )
}


def psi_expected_by_chance(n_reference: int, n_current: int, n_bins: int) -> float:
    """Return the mean PSI of two samples from the same distribution, (1/N + 1/n) · (B − 1).

    Without drift, the PSI is approximately (1/N + 1/n) times a chi-square variable with B − 1 degrees of freedom
    (Yurdakul 2018).
    """
    return (1 / n_reference + 1 / n_current) * (n_bins - 1)


def _cumulative_difference(reference_counts: Counts, current_counts: Counts) -> NDArray[np.float64]:
    """Return F_c − F_r at the upper end of each bin, or NaN if a side has no rows."""
    n, m = int(np.sum(reference_counts)), int(np.sum(current_counts))
    if n == 0 or m == 0:
        return np.full(len(reference_counts), math.nan)
    return np.cumsum(current_counts) / m - np.cumsum(reference_counts) / n


def _not_negative(value: float) -> float:
    """Clip rounding errors such as -1e-17 to 0. NaN, which means not evaluated, is not changed."""
    return value if math.isnan(value) else max(0.0, value)


def _smoothed(reference_counts: Counts, current_counts: Counts) -> tuple[Shares, Shares]:
    """Return the smoothed shares of the bins that have rows on at least one side, or NaN if a side has no rows."""
    r, c = np.asarray(reference_counts, dtype=np.float64), np.asarray(current_counts, dtype=np.float64)
    if r.sum() == 0 or c.sum() == 0:
        return np.array([math.nan]), np.array([math.nan])
    used = (r + c) > 0
    r, c = r[used] + SMOOTHING, c[used] + SMOOTHING
    return r / r.sum(), c / c.sum()
