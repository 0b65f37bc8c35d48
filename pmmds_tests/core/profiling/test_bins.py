"""Every value has a bin, and the counts of partitions add up to the counts of all rows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.data.reader import to_columns
from pmmds_core.errors import DataError
from pmmds_core.profiling.bin_edges import fit_numeric_bins
from pmmds_core.profiling.bins import FeatureBins, count_categorical, count_numeric
from pmmds_core.profiling.reference_profile import FeatureProfile, ReferenceProfile, count, fit_profile, merge
from pmmds_core.stores.files.reference_source import load_reference

Values = NDArray[np.float64]
number = st.one_of(st.floats(-1e6, 1e6), st.sampled_from([0.0, -0.0, 1.0, 5e-324]))
column = st.lists(st.one_of(number, st.just(float("nan"))), max_size=80).map(lambda v: np.array(v, dtype=np.float64))


@given(column, column, st.integers(2, 20))
def test_every_value_is_in_exactly_one_bin(reference: Values, current: Values, n_bins: int) -> None:
    bins = fit_numeric_bins("x", reference, n_bins)
    counts = count_numeric(bins, current)
    assert len(counts) == bins.n_bins == len(bins.labels)
    assert counts.sum() == len(current)
    assert counts[bins.null_index] == np.isnan(current).sum()
    assert bins.n_ordered <= n_bins
    assert len(bins.edges) <= 2 * (bins.n_ordered + len(bins.joined))


@given(column, st.lists(column, max_size=5))
def test_hourly_counts_add_up_to_the_count_of_all_rows(reference: Values, hours: list[Values]) -> None:
    bins = fit_numeric_bins("x", reference, 10)
    parts = sum((count_numeric(bins, hour) for hour in hours), np.zeros(bins.n_bins, dtype=np.int64))
    assert np.array_equal(parts, count_numeric(bins, np.concatenate([np.array([]), *hours])))


@given(st.lists(number, min_size=1, max_size=80).map(np.array))
def test_bin_edges_increase_and_no_reference_bin_is_empty(reference: Values) -> None:
    bins = fit_numeric_bins("x", reference, 10)
    counts = count_numeric(bins, reference)
    assert list(bins.edges) == sorted(set(bins.edges))
    assert all(counts[: bins.n_ordered] > 0)
    assert not any(counts[bins.n_ordered :])


@given(st.lists(number, min_size=1, max_size=300).map(np.array), st.integers(2, 50))
def test_reference_counts_match_bins_at_the_lower_quantiles_of_numpy(reference: Values, n_bins: int) -> None:
    distinct = np.unique(reference)
    assume(len(distinct) > 1)
    edges = distinct[:-1]
    if distinct.size > n_bins:
        edges = np.unique(np.quantile(reference, np.arange(1, n_bins) / n_bins, method="lower"))
        edges = edges[edges < distinct[-1]]
        edges = edges if edges.size else distinct[-2:-1]
    bins = fit_numeric_bins("x", reference, n_bins)
    expected = np.bincount(np.searchsorted(edges, reference, side="left"), minlength=len(edges) + 1)
    assert list(count_numeric(bins, reference)[: bins.n_ordered]) == list(expected)


@pytest.mark.parametrize("first", [0.0, 0.5, 1.0])
def test_a_feature_that_mostly_has_its_maximum_value_has_two_bins(first: float) -> None:
    """The bins do not depend on the order of the rows."""
    reference = np.array([first, *sorted({0.0, 0.5, 1.0} - {first}), 1.0, 1.0, 1.0])
    bins = fit_numeric_bins("x", reference, 2)
    assert list(count_numeric(bins, reference)) == [2, 4, 0, 0, 0, 0]
    assert list(count_numeric(bins, np.array([0.0, 0.5, 0.9, 1.0, 1.1]))) == [3, 1, 1, 0, 0, 0]


def test_each_decile_contains_a_tenth_of_the_reference_rows() -> None:
    reference = np.random.default_rng(0).normal(size=10_000)
    counts = count_numeric(fit_numeric_bins("x", reference, 10), reference)
    assert list(counts) == [1000] * 10 + [0, 0, 0, 0]


def test_a_value_on_an_edge_belongs_to_the_bin_below_the_edge() -> None:
    bins = FeatureBins("x", "numeric", edges=(1.0, 2.0))
    assert list(count_numeric(bins, np.array([1.0, 1.0000001, 2.0, 2.1, -9.0, 9e9, np.nan]))) == [2, 2, 2, 0, 0, 0, 1]


def test_a_binary_flag_has_a_bin_for_each_value() -> None:
    bins = fit_numeric_bins("flag", np.array([0.0, 1.0, 0.0, 0.0]), 10)
    assert list(count_numeric(bins, np.array([0.0, 0.0, 1.0, 2.0, -1.0, 0.5]))) == [2, 1, 3, 0, 0, 0]
    assert bins.labels == ("0", "1", "(unseen)", "(out of range)", "(not a number)", "(null)")


@pytest.mark.parametrize("value", [7.0, 0.0, -0.0, 1e300])
def test_values_that_differ_from_a_constant_feature_are_counted_separately(value: float) -> None:
    bins = fit_numeric_bins("x", np.full(50, value), 10)
    same = [np.nextafter(value, -np.inf), value, np.nextafter(value, np.inf)]
    other = [-1e308, value * 0.999 - 0.001, value * 1.001 + 0.001, 1.1e308]
    assert list(count_numeric(bins, np.array([*same, *other]))) == [3, 4, 0, 0, 0]
    assert bins.labels[:2] == (f"{value + 0.0:g}", "(unseen)")
    at_the_border = fit_numeric_bins("x", np.full(50, value), 10, low=value)
    assert list(count_numeric(at_the_border, np.array([*same, *other]))) == [2, 2, 3, 0, 0]


def test_a_reference_without_values_has_one_bin_for_all_numbers() -> None:
    bins = fit_numeric_bins("x", np.array([np.nan, np.nan]), 10)
    assert bins.labels == ("(any)", "(unseen)", "(out of range)", "(not a number)", "(null)")
    assert list(count_numeric(bins, np.array([3.0, np.nan]))) == [1, 0, 0, 0, 1]


def test_numbers_outside_the_allowed_range_have_their_own_bin() -> None:
    bins = fit_numeric_bins("x", np.array([0.0, 1.0, 2.0, 500.0, -7.0]), 10, low=0.0, high=100.0)
    assert bins.points == (0.0, 1.0, 2.0)
    counts = count_numeric(bins, np.array([0.0, -0.0, 100.0, 100.1, -5e-324, np.inf, -np.inf]))
    assert list(counts) == [2, 0, 0, 1, 4, 0, 0]
    assert counts[bins.out_of_range_index] == 4


def test_without_a_range_only_infinities_are_out_of_range() -> None:
    bins = FeatureBins("x", "numeric", edges=(1.0,))
    largest = np.finfo(np.float64).max
    assert list(count_numeric(bins, np.array([-largest, largest, 1e308, np.inf, -np.inf]))) == [1, 2, 0, 2, 0, 0]


def test_negative_zero_counts_as_zero() -> None:
    bins = fit_numeric_bins("x", np.array([-0.0, 1.0, 0.0]), 10)
    assert str(bins.points) == "(0.0, 1.0)"
    assert list(count_numeric(bins, np.array([-0.0, 0.0]))) == [2, 0, 0, 0, 0, 0]


def test_text_is_parsed_as_a_number_or_counted_as_not_a_number() -> None:
    bins = FeatureBins("x", "numeric", edges=(10.0,))
    cells = [
        "9",
        " 11.5 ",
        1,
        True,
        "1e3",
        "-.5",
        "+3.",
        "inf",
        "-Infinity",
        None,
        "",
        "  ",
        "NaN",
        np.nan,
        "n/a",
        ".",
        "NA",
    ]
    assert list(count(bins, np.array(cells, dtype=object))) == [5, 2, 0, 2, 0, 8]
    wrong = ["abc", "1_000", "0x10", "1,5", "١٢", "1e", "--1", "12 13", "💳", "naN1"]
    assert list(count(bins, np.array(wrong, dtype=object))) == [0, 0, 0, 0, len(wrong), 0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"edges": (2.0, 1.0)},
        {"edges": (1.0, 1.0)},
        {"edges": (np.inf,)},
        {"edges": (np.nan,)},
        {"edges": (5.0,), "high": 4.0},
        {"edges": (5.0,), "low": 6.0},
    ],
)
def test_inconsistent_bins_are_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="edge"):
        FeatureBins("x", "numeric", **wrong)
    with pytest.raises(ValueError, match="duplicate"):
        FeatureBins("x", "categorical", categories=("a", "a"))


def test_new_categories_are_unseen_and_missing_values_are_null() -> None:
    bins = FeatureBins("c", "categorical", categories=("a", "b"))
    values = np.array(["a", "z", "b", None, "a", float("nan"), "A"], dtype=object)
    assert list(count_categorical(bins, values)) == [2, 1, 2, 2]
    assert bins.labels == ("a", "b", "(unseen)", "(null)")


@pytest.fixture(scope="module")
def profile(contract: Contract) -> ReferenceProfile:
    frame = load_reference(Settings(home="unused"), contract).data.frame
    scores = np.random.default_rng(1).uniform(size=len(frame))
    return fit_profile(contract, to_columns(frame, contract), scores)


def test_a_profile_counts_every_row_of_every_feature_and_the_score(
    profile: ReferenceProfile, contract: Contract
) -> None:
    assert [f.bins.feature for f in profile.features] == list(contract.feature_names)
    assert {sum(f.counts) for f in profile.with_score} == {profile.n_rows}
    assert profile.with_score[-1].bins.feature == "__score__"


def test_a_profile_is_small_and_round_trips_through_json(profile: ReferenceProfile) -> None:
    raw = profile.to_json()
    assert len(raw) < 9_000
    again = ReferenceProfile.from_json(raw)
    assert again == profile
    assert again.digest == profile.digest


@pytest.fixture(scope="module")
def partitions(contract: Contract) -> list[tuple[dict[str, NDArray[Any]], NDArray[np.float64]]]:
    """Return the reference in four unequal parts, one of which is empty."""
    frame = load_reference(Settings(home="unused"), contract).data.frame
    scores = np.random.default_rng(1).uniform(size=len(frame))
    borders = [0, 1, 1, 3000, len(frame)]
    return [(to_columns(frame[a:b], contract), scores[a:b]) for a, b in pairwise(borders)]


def test_merged_profiles_of_partitions_equal_the_profile_of_all_rows(
    profile: ReferenceProfile, partitions: list[tuple[dict[str, NDArray[Any]], NDArray[np.float64]]]
) -> None:
    parts = []
    for columns, scores in partitions:
        cells = {**columns, "__score__": scores}
        counts = {f.bins.feature: count(f.bins, cells[f.bins.feature]).tolist() for f in profile.with_score}
        parts.append(profile.recounted(counts, len(scores)))
    assert [p.n_rows for p in parts] == [1, 0, 2999, profile.n_rows - 3000]
    assert merge(parts) == profile
    assert merge([merge(parts[:2]), merge(parts[2:])]).digest == profile.digest


def test_profiles_with_different_bins_cannot_be_merged(profile: ReferenceProfile) -> None:
    tenure = next(f for f in profile.features if f.bins.feature == "tenure")
    bins = msgspec.structs.replace(tenure.bins, high=999.0)
    other = msgspec.structs.replace(
        profile,
        features=tuple(FeatureProfile(bins, f.counts) if f is tenure else f for f in profile.features),
    )
    with pytest.raises(DataError, match="bins of tenure differ"):
        merge([profile, other])
    with pytest.raises(DataError, match="bins of __score__ differ"):
        merge([profile, msgspec.structs.replace(profile, score=None)])
    with pytest.raises(DataError, match="There are no profiles"):
        merge([])


def test_counts_that_do_not_match_the_bins_are_rejected(profile: ReferenceProfile) -> None:
    raw = profile.to_json().replace(b'"counts":[', b'"counts":[1,', 1)
    with pytest.raises(msgspec.ValidationError, match="counts for"):
        ReferenceProfile.from_json(raw)
