"""Properties of every registered drift measure for random counts, compared with decimal arithmetic and scipy."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

from pmmds_core.drift.comparison import (
    MEASURES,
    SMOOTHING,
    Band,
    Counts,
    Measure,
    band,
    compare_feature,
    psi,
    psi_expected_by_chance,
)
from pmmds_core.profiling.bin_edges import fit_numeric_bins
from pmmds_core.profiling.bins import FeatureBins, count_categorical, count_numeric
from pmmds_core.profiling.reference_profile import FeatureProfile

Pair = tuple[Counts, Counts]
every_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=lambda m: m.name)
unordered = pytest.mark.parametrize(
    "measure", [m for m in MEASURES.values() if not m.needs_order], ids=lambda m: m.name
)
N_SPECIAL = 4  # Special bins follow the ordered bins of a numeric feature.


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    n_bins = draw(st.integers(N_SPECIAL + 1, 20))
    side = st.lists(st.integers(0, 10_000), min_size=n_bins, max_size=n_bins).filter(any)
    return np.array(draw(side), dtype=np.int64), np.array(draw(side), dtype=np.int64)


def value(measure: Measure, r: Counts, c: Counts) -> float:
    return measure.compute(r, c, len(r) - N_SPECIAL)


def numeric(reference: NDArray[np.float64]) -> FeatureProfile:
    bins = fit_numeric_bins("x", reference, 10)
    return FeatureProfile(bins, tuple(int(n) for n in count_numeric(bins, reference)))


def measured(measure: Measure, profile: FeatureProfile, current: NDArray[np.float64]) -> float:
    counts = count_numeric(profile.bins, current)
    return measure.compute(np.array(profile.counts), counts, profile.bins.n_ordered)


def test_every_drift_measure_is_a_field_of_the_report() -> None:
    profile = numeric(np.arange(100.0))
    found = compare_feature(profile, count_numeric(profile.bins, np.arange(50.0)))
    for name, measure in MEASURES.items():
        assert getattr(found, name) == measured(measure, profile, np.arange(50.0))


@every_measure
@given(pair=pairs())
def test_drift_measures_are_finite_and_non_negative_and_bounded(measure: Measure, pair: Pair) -> None:
    found = value(measure, *pair)
    assert math.isfinite(found)
    assert 0 <= found <= measure.largest + 1e-12


@every_measure
@given(pair=pairs())
def test_a_window_equal_to_its_reference_has_distance_zero(measure: Measure, pair: Pair) -> None:
    assert value(measure, pair[0], pair[0]) == 0.0


@every_measure
@given(pair=pairs())
def test_measures_are_nan_if_either_side_has_no_rows(measure: Measure, pair: Pair) -> None:
    none = np.zeros_like(pair[0])
    assert math.isnan(value(measure, none, pair[1]))
    assert math.isnan(value(measure, pair[0], none))


@unordered
@settings(max_examples=50)
@given(pair=pairs(), seed=st.integers(0, 99))
def test_the_order_of_unordered_bins_does_not_change_a_measure(measure: Measure, pair: Pair, seed: int) -> None:
    r, c = pair
    order = np.random.default_rng(seed).permutation(len(r))
    assert value(measure, r[order], c[order]) == pytest.approx(value(measure, r, c), abs=1e-12)


@unordered
@given(pair=pairs())
def test_bins_empty_on_both_sides_are_ignored(measure: Measure, pair: Pair) -> None:
    r, c = pair
    padded = np.append(r, 0), np.append(c, 0)
    assert measure.compute(*padded, 0) == pytest.approx(measure.compute(r, c, 0), abs=1e-14)


@every_measure
@settings(max_examples=30)
@given(seed=st.integers(0, 999))
def test_the_order_of_the_rows_does_not_change_a_measure(measure: Measure, seed: int) -> None:
    rng = np.random.default_rng(seed)
    profile, current = numeric(rng.normal(size=300)), rng.normal(0.3, 1, size=200)
    assert measured(measure, profile, rng.permutation(current)) == measured(measure, profile, current)


@every_measure
def test_the_distance_grows_with_the_shift(measure: Measure) -> None:
    reference = np.random.default_rng(0).normal(size=5000)
    profile = numeric(reference)
    found = [measured(measure, profile, reference + shift) for shift in (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)]
    assert found == sorted(found)
    assert all(b > a for a, b in pairwise(found))


@every_measure
@pytest.mark.parametrize("outlier", [1e12, -1e300, math.inf])
def test_one_outlier_neither_causes_nor_hides_a_shift(measure: Measure, outlier: float) -> None:
    rng = np.random.default_rng(1)
    profile = numeric(rng.normal(size=5000))
    for current in (rng.normal(size=1000), rng.normal(0.5, 1, size=1000)):
        before, after = (measured(measure, profile, values) for values in (current, np.append(current, outlier)))
        # The effect of a single row in a thousand does not depend on its distance.
        limit = 0.02 if measure.name == "js_distance" else 0.01
        assert abs(after - before) < limit


@every_measure
def test_nulls_have_their_own_bin(measure: Measure) -> None:
    values = np.random.default_rng(2).normal(size=2000)
    profile = numeric(values)
    with_nulls = np.where(np.arange(2000) % 10 == 0, math.nan, values)
    all_null = np.full(500, math.nan)
    assert measured(measure, profile, with_nulls) > 0.01
    assert math.isfinite(measured(measure, profile, all_null))
    assert measured(measure, profile, all_null) > measured(measure, profile, with_nulls)


@unordered
def test_an_unseen_category_is_detected(measure: Measure) -> None:
    bins = FeatureBins("c", "categorical", categories=("a", "b"))
    reference = count_categorical(bins, np.array(["a", "b"] * 500, dtype=object))
    current = count_categorical(bins, np.array(["a", "b"] * 450 + ["z"] * 100, dtype=object))
    assert measure.compute(reference, current, 0) > 0.01


def _decimals(pair: Pair) -> list[tuple[Decimal, Decimal]]:
    """Compute the shares with fifty digits of precision and without numpy."""
    half = Decimal(str(SMOOTHING))
    used = [(int(r), int(c)) for r, c in zip(*pair, strict=True) if r + c]
    n, m = (sum(side) + half * len(used) for side in zip(*used, strict=True))
    return [((r + half) / n, (c + half) / m) for r, c in used]


def _psi(shares: list[tuple[Decimal, Decimal]]) -> Decimal:
    return sum(((c - r) * (c / r).ln() for r, c in shares), Decimal())


def _kl(shares: list[tuple[Decimal, Decimal]]) -> Decimal:
    return sum((c * (c / r).ln() for r, c in shares), Decimal())


def _js(shares: list[tuple[Decimal, Decimal]]) -> Decimal:
    middle = [(r, c, (r + c) / 2) for r, c in shares]
    return sum((r * (r / m).ln() + c * (c / m).ln() for r, c, m in middle), Decimal()) / 2


EXACT: dict[str, Callable[[list[tuple[Decimal, Decimal]]], Decimal]] = {
    "psi": _psi,
    "kl_divergence": _kl,
    "js_divergence": _js,
    "js_distance": lambda shares: max(_js(shares), Decimal()).sqrt(),
}


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=60)
@given(pair=pairs())
def test_logarithmic_measures_are_exact_to_twelve_digits(name: str, pair: Pair) -> None:
    with localcontext() as context:
        context.prec = 50
        expected = float(EXACT[name](_decimals(pair)))
    assert value(MEASURES[name], *pair) == pytest.approx(expected, abs=1e-12, rel=1e-12)


@given(pair=pairs())
def test_the_wasserstein_distance_of_bin_positions_equals_that_of_scipy(pair: Pair) -> None:
    r, c = pair
    n_ordered = len(r) - N_SPECIAL
    behind = [1.0 + i for i in range(1, N_SPECIAL + 1)]
    positions = [*np.linspace(0, 1, n_ordered), *behind] if n_ordered > 1 else [0.0, *(b - 1 for b in behind)]
    expected = stats.wasserstein_distance(positions, positions, r, c)
    assert value(MEASURES["wasserstein_distance"], r, c) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30)
@given(
    r=st.lists(st.integers(0, 30), min_size=8, max_size=8).filter(any),
    c=st.lists(st.integers(0, 30), min_size=8, max_size=8).filter(any),
)
def test_the_ks_distance_of_bin_numbers_equals_that_of_scipy(r: list[int], c: list[int]) -> None:
    rows = [np.repeat(np.arange(8), counts) for counts in (r, c)]
    expected = stats.ks_2samp(*rows, method="asymp").statistic
    assert value(MEASURES["ks_distance"], np.array(r), np.array(c)) == pytest.approx(expected, abs=1e-12)


@given(pairs())
def test_kl_divergence_and_js_distance_equal_those_of_scipy(pair: Pair) -> None:
    used = (pair[0] + pair[1]) > 0
    r, c = (side[used] + SMOOTHING for side in pair)
    assert value(MEASURES["kl_divergence"], *pair) == pytest.approx(float(stats.entropy(c, r)), abs=1e-12)
    # The square root amplifies scipy's rounding near zero.
    assert value(MEASURES["js_distance"], *pair) == pytest.approx(float(np.nan_to_num(jensenshannon(r, c))), abs=1e-7)


@given(pairs())
def test_psi_is_symmetric_and_the_sum_of_both_kl_divergences(pair: Pair) -> None:
    r, c = pair
    kl = MEASURES["kl_divergence"]
    assert psi(r, c) == pytest.approx(psi(c, r), abs=1e-12)
    assert psi(r, c) == pytest.approx(value(kl, r, c) + value(kl, c, r), abs=1e-12)


def test_psi_equals_a_manual_calculation() -> None:
    # Shares 0.5, 0.3, 0.2 against 0.4, 0.4, 0.2: (−0.1)·ln 0.8 + 0.1·ln(4/3) + 0 = 0.05108
    r, c = np.array([500_000, 300_000, 200_000]), np.array([400_000, 400_000, 200_000])
    assert psi(r, c) == pytest.approx(-0.1 * math.log(0.8) + 0.1 * math.log(4 / 3), abs=1e-5)
    assert psi(r, c) == pytest.approx(0.05108, abs=1e-5)


def test_the_mean_psi_without_drift_equals_the_psi_expected_by_chance() -> None:
    rng = np.random.default_rng(4)
    shares = np.array([0.25, 0.25, 0.25, 0.15, 0.1])
    draws = [psi(rng.multinomial(5000, shares), rng.multinomial(800, shares)) for _ in range(2000)]
    assert np.mean(draws) == pytest.approx(psi_expected_by_chance(5000, 800, 5), rel=0.06)


@settings(max_examples=50)
@given(pair=pairs())
def test_reports_are_complete_and_finite_for_any_counts(pair: Pair) -> None:
    r, c = pair
    assume(len(r) > N_SPECIAL)
    edges = tuple(float(i) for i in range(len(r) - N_SPECIAL - 1))
    found = compare_feature(FeatureProfile(FeatureBins("x", "numeric", edges=edges), tuple(map(int, r))), c)
    numbers = [getattr(found, name) for name in (*MEASURES, "p_value", "psi_expected_by_chance")]
    assert all(math.isfinite(number) for number in numbers)
    assert 0 <= (found.p_value or 0) <= 1
    assert found.statement.startswith("x")
    assert found.band is not Band.UNDETERMINED


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
def test_a_severity_band_includes_its_lower_limit(value: float | None, expected: Band) -> None:
    assert band(value) is expected
