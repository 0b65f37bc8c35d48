"""Laws that every measure obeys, whatever the counts; scipy says what the numbers are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, entropy

from pmmds_core.chi_square import homogeneity_p_value
from pmmds_core.drift import (
    SMOOTHING,
    Band,
    Counts,
    band,
    js_distance,
    js_divergence,
    kl_divergence,
    psi,
    psi_expected_by_chance,
)

Pair = tuple[Counts, Counts]


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    n_bins = draw(st.integers(2, 20))
    side = st.lists(st.integers(0, 10_000), min_size=n_bins, max_size=n_bins).filter(any)
    return np.array(draw(side), dtype=np.int64), np.array(draw(side), dtype=np.int64)


def smoothed(counts: Counts, other: Counts) -> NDArray[np.float64]:
    kept = counts[(counts + other) > 0] + SMOOTHING
    shares: NDArray[np.float64] = kept / kept.sum()
    return shares


@given(pairs())
def test_psi_is_never_negative_symmetric_and_the_sum_of_both_kl_divergences(pair: Pair) -> None:
    r, c = pair
    assert psi(r, c) >= 0
    assert psi(r, c) == pytest.approx(psi(c, r), abs=1e-12)
    assert psi(r, c) == pytest.approx(kl_divergence(r, c) + kl_divergence(c, r), abs=1e-9)


@given(pairs())
def test_kl_and_js_are_what_scipy_computes(pair: Pair) -> None:
    r, c = smoothed(*pair), smoothed(pair[1], pair[0])
    assert kl_divergence(*pair) == pytest.approx(float(entropy(c, r)), abs=1e-9)
    assert js_distance(*pair) == pytest.approx(float(np.nan_to_num(jensenshannon(r, c))), abs=1e-6)


@given(pairs())
def test_js_lies_between_nothing_and_ln_2(pair: Pair) -> None:
    assert 0 <= js_divergence(*pair) <= math.log(2)
    assert js_distance(*pair) == pytest.approx(math.sqrt(js_divergence(*pair)))


@given(pairs())
def test_a_window_like_its_reference_is_at_no_distance(pair: Pair) -> None:
    counts, _ = pair
    assert psi(counts, counts) == kl_divergence(counts, counts) == js_divergence(counts, counts) == 0.0


@given(pairs())
def test_bins_that_are_empty_on_both_sides_change_nothing(pair: Pair) -> None:
    r, c = pair
    padded = np.append(r, 0), np.append(c, 0)
    for measure in (psi, kl_divergence, js_divergence):
        assert measure(*padded) == measure(r, c)


@settings(max_examples=50)
@given(pairs())
def test_the_order_of_the_bins_does_not_matter(pair: Pair) -> None:
    r, c = pair
    for measure in (psi, kl_divergence, js_divergence):
        assert measure(r[::-1], c[::-1]) == pytest.approx(measure(r, c), abs=1e-12)


def test_psi_by_hand() -> None:
    # Shares 0.5, 0.3, 0.2 against 0.4, 0.4, 0.2: (−0.1)·ln 0.8 + 0.1·ln(4/3) + 0 = 0.05108
    r, c = np.array([500_000, 300_000, 200_000]), np.array([400_000, 400_000, 200_000])
    assert psi(r, c) == pytest.approx(-0.1 * math.log(0.8) + 0.1 * math.log(4 / 3), abs=1e-5)
    assert psi(r, c) == pytest.approx(0.05108, abs=1e-5)


def test_a_side_without_rows_has_no_distance() -> None:
    none, some = np.zeros(3, dtype=np.int64), np.array([1, 2, 3])
    for measure in (psi, kl_divergence, js_divergence, js_distance):
        assert math.isnan(measure(none, some))
        assert math.isnan(measure(some, none))


def test_without_drift_psi_is_on_average_what_chance_gives() -> None:
    rng = np.random.default_rng(4)
    shares = np.array([0.25, 0.25, 0.25, 0.15, 0.1])
    draws = [psi(rng.multinomial(5000, shares), rng.multinomial(800, shares)) for _ in range(2000)]
    assert np.mean(draws) == pytest.approx(psi_expected_by_chance(5000, 800, 5), rel=0.06)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, Band.NONE),
        (0.0999, Band.NONE),
        (0.1, Band.MODERATE),
        (0.1999, Band.MODERATE),
        (0.2, Band.SIGNIFICANT),
        (0.2499, Band.SIGNIFICANT),
        (0.25, Band.MAJOR),
        (9.0, Band.MAJOR),
        (None, Band.UNDETERMINED),
        (math.nan, Band.UNDETERMINED),
    ],
)
def test_bands_begin_at_their_border(value: float | None, expected: Band) -> None:
    assert band(value) is expected


@settings(max_examples=200)
@given(pairs())
def test_the_p_value_is_scipys_chi_square_test_of_homogeneity(pair: Pair) -> None:
    r, c = pair
    used = (r + c) > 0
    expected = 1.0 if used.sum() < 2 else float(chi2_contingency(np.vstack([r[used], c[used]]), correction=False)[1])
    assert homogeneity_p_value(r, c) == pytest.approx(expected, abs=1e-9)
