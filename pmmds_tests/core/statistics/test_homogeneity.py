"""The homogeneity test agrees with scipy for well-filled bins and has its nominal level for rare bins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from pmmds_core.statistics.chi_square import likelihood_ratio_p_value, survival
from pmmds_core.statistics.homogeneity import p_value
from pmmds_core.statistics.multiple_testing import benjamini_hochberg

# With 200 to 5,000 rows in each of 8 bins, every expected count is at least 17, so that no bin is rare.
counts = st.lists(st.integers(200, 5_000), min_size=8, max_size=8).map(np.array)


@settings(max_examples=100)
@given(r=counts, c=counts)
def test_p_values_of_full_bins_equal_those_of_scipy_with_williams_correction(
    r: NDArray[np.int64], c: NDArray[np.int64]
) -> None:
    statistic = float(stats.chi2_contingency(np.vstack([r, c]), correction=False, lambda_="log-likelihood")[0])
    n, m, total = r.sum(), c.sum(), (r + c).sum()
    correction = 1 + (total / n + total / m - 1) * (float((total / (r + c)).sum()) - 1) / (6 * total * 7)
    expected = float(stats.chi2.sf(statistic / correction, 7))
    assert likelihood_ratio_p_value(r, c) == pytest.approx(expected, abs=1e-12)
    assert p_value(r, c) == likelihood_ratio_p_value(r, c)


@settings(max_examples=100)
@given(statistic=st.floats(0, 500), degrees=st.integers(1, 60))
def test_the_chi_square_tail_equals_that_of_scipy(statistic: float, degrees: int) -> None:
    assert survival(statistic, degrees) == pytest.approx(float(stats.chi2.sf(statistic, degrees)), abs=1e-12)


@settings(max_examples=100)
@given(
    rare=st.tuples(st.integers(0, 4), st.integers(0, 4)), sizes=st.tuples(st.integers(20, 900), st.integers(20, 900))
)
def test_the_p_value_of_a_single_rare_bin_equals_the_fisher_test_of_scipy(
    rare: tuple[int, int], sizes: tuple[int, int]
) -> None:
    r, c = (np.array([n, k]) for n, k in zip(sizes, rare, strict=True))
    if min(sizes) * sum(rare) / (sum(sizes) + sum(rare)) >= 4:
        return
    expected = float(stats.fisher_exact(np.vstack([r, c])).pvalue)
    assert p_value(r, c) == pytest.approx(expected, abs=1e-9)


def test_a_single_non_empty_bin_has_p_value_one() -> None:
    assert p_value(np.array([500, 0]), np.array([100, 0])) == 1.0
    assert p_value(np.array([3]), np.array([2])) == 1.0


def test_new_nulls_are_detected_despite_other_rare_bins() -> None:
    r, c = np.array([3000, 2900, 3, 2, 1, 0]), np.array([48, 44, 0, 0, 0, 8])
    assert p_value(r, c, special={5}) < 1e-9


def test_unseen_values_are_not_significant_if_most_values_are_rare() -> None:
    # An id column: every value occurs once, so all values of the window are unseen.
    r, c = np.append(np.ones(5000, dtype=int), 0), np.append(np.zeros(5000, dtype=int), 300)
    assert p_value(r, c, unseen=5000) == 1.0


@pytest.mark.parametrize(
    ("shares", "special"),
    [
        (np.full(10, 0.1), set()),
        (np.array([0.499, 0.499, 0.002]), {2}),
        (np.array([0.6, 0.3, 0.05, 0.03, 0.01, 0.005, 0.003, 0.001, 0.0006, 0.0004]), set()),
        (np.array([0.5, 0.3, 0.15, 0.03, 0.01, 0.004, 0.004, 0.002]), {6, 7}),
    ],
    ids=["deciles", "rare-null", "rare-categories", "several-rare"],
)
@pytest.mark.parametrize("sizes", [(5600, 100), (5600, 500), (300, 3000)], ids=str)
def test_p_values_have_their_nominal_level_without_drift(
    shares: NDArray[np.float64], special: set[int], sizes: tuple[int, int]
) -> None:
    rng = np.random.default_rng(7)
    n, m = sizes
    found = np.array([p_value(rng.multinomial(n, shares), rng.multinomial(m, shares), special) for _ in range(2500)])
    # Pearson's test would give shares of 0.05 to 0.12 for the first level and up to 0.07 for the second.
    assert 0.03 <= float((found <= 0.05).mean()) <= 0.065
    assert float((found <= 0.005).mean()) <= 0.0105


@settings(max_examples=100)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_q_values_equal_those_of_scipy(p_values: list[float]) -> None:
    expected = stats.false_discovery_control(p_values, method="bh")
    assert benjamini_hochberg(p_values) == pytest.approx(expected, abs=1e-12)
