"""Bins have a place for every value, and counting them in parts is counting them at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pmmds_core.binning import FeatureBins, count_categorical, count_numeric, fit_numeric_bins
from pmmds_core.contracts.contract import Contract
from pmmds_core.data_source import load_reference
from pmmds_core.reference_profile import ReferenceProfile, fit_profile
from pmmds_core.settings import Settings
from pmmds_core.source_data import to_columns

Values = NDArray[np.float64]
number = st.floats(-1e6, 1e6, allow_nan=False)
column = st.lists(st.one_of(number, st.just(float("nan"))), max_size=80).map(lambda v: np.array(v, dtype=np.float64))


@given(column, column, st.integers(2, 20))
def test_every_value_falls_into_one_bin(reference: Values, current: Values, n_bins: int) -> None:
    bins = fit_numeric_bins("x", reference, n_bins)
    counts = count_numeric(bins, current)
    assert len(counts) == bins.n_bins == len(bins.labels)
    assert counts.sum() == len(current)
    assert counts[bins.null_index] == np.isnan(current).sum()
    assert bins.n_bins <= n_bins + 1


@given(column, st.lists(column, max_size=5))
def test_hours_added_up_are_all_rows_at_once(reference: Values, hours: list[Values]) -> None:
    bins = fit_numeric_bins("x", reference, 10)
    parts = sum((count_numeric(bins, hour) for hour in hours), np.zeros(bins.n_bins, dtype=np.int64))
    assert np.array_equal(parts, count_numeric(bins, np.concatenate([np.array([]), *hours])))


@given(st.lists(number, min_size=1, max_size=80).map(np.array))
def test_edges_rise_and_no_bin_of_the_reference_is_empty(reference: Values) -> None:
    bins = fit_numeric_bins("x", reference, 10)
    assert list(bins.edges) == sorted(set(bins.edges))
    assert all(count_numeric(bins, reference)[:-1] > 0)


def test_deciles_hold_a_tenth_of_the_reference_each() -> None:
    reference = np.random.default_rng(0).normal(size=10_000)
    counts = count_numeric(fit_numeric_bins("x", reference, 10), reference)
    assert list(counts) == [1000] * 10 + [0]


def test_an_edge_belongs_to_the_bin_below_it() -> None:
    bins = FeatureBins("x", "numeric", edges=(1.0, 2.0))
    assert list(count_numeric(bins, np.array([1.0, 1.0000001, 2.0, 2.1, -9.0, 9e9, np.nan]))) == [2, 2, 2, 1]


def test_a_flag_has_a_bin_for_each_value() -> None:
    bins = fit_numeric_bins("flag", np.array([0.0, 1.0, 0.0, 0.0]), 10)
    assert list(count_numeric(bins, np.array([0.0, 0.0, 1.0]))) == [2, 1, 0]


def test_a_reference_without_values_has_one_open_bin() -> None:
    bins = fit_numeric_bins("x", np.array([np.nan, np.nan]), 10)
    assert bins.labels == ("(any)", "(null)")
    assert list(count_numeric(bins, np.array([3.0, np.nan]))) == [1, 1]


def test_categories_the_reference_lacks_are_unseen_and_missing_ones_null() -> None:
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
    assert profile.score.bins.feature == "__score__"


def test_a_profile_is_a_few_kilobytes_and_comes_back_as_it_was(profile: ReferenceProfile) -> None:
    raw = profile.to_json()
    assert len(raw) < 8_000
    again = ReferenceProfile.from_json(raw)
    assert again == profile
    assert again.digest == profile.digest
