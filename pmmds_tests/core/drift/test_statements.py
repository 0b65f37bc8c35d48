"""Descriptions of the largest change in a feature, and complete reports despite a broken feature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pmmds_core.drift.comparison import Band, FeatureDrift, compare, compare_feature
from pmmds_core.drift.statements import percent
from pmmds_core.profiling.bin_edges import fit_numeric_bins
from pmmds_core.profiling.bins import FeatureBins, count_categorical, count_texts
from pmmds_core.profiling.reference_profile import FeatureProfile, ReferenceProfile, count

TENURE = np.concatenate([np.arange(72.0)] * 10)
PAYMENT = ("Electronic check", "Mailed check", "Bank transfer")


def numeric(values: Any, **limits: float) -> FeatureProfile:
    bins = fit_numeric_bins("tenure", np.array(values, dtype=np.float64), 10, **limits)
    return FeatureProfile(bins, tuple(int(n) for n in count(bins, np.array(values, dtype=np.float64))))


def categorical(values: Sequence[str | None]) -> FeatureProfile:
    bins = FeatureBins("payment_method", "categorical", categories=PAYMENT)
    return FeatureProfile(bins, tuple(int(n) for n in count_categorical(bins, np.array(values, dtype=object))))


def moved(feature: FeatureProfile, current: Any) -> FeatureDrift:
    dtype = np.float64 if feature.bins.kind == "numeric" else object
    return compare_feature(feature, count(feature.bins, np.array(current, dtype=dtype)))


def test_a_growing_category_is_described_with_its_old_and_new_share() -> None:
    found = moved(categorical(list(PAYMENT) * 100), ["Mailed check"] * 71 + ["Bank transfer"] * 29)
    assert found.statement == "payment_method: Mailed check 33% → 71% of rows"
    assert found.lost_share == pytest.approx(1 / 3)
    assert [b.label for b in found.moved_bins] == ["Mailed check", "Electronic check", "Bank transfer"]


def test_a_decrease_is_described_by_the_share_of_rows_below_an_edge() -> None:
    found = moved(numeric(TENURE), TENURE / 2)
    assert found.statement == "tenure: at most 35 in 50% → 100% of rows"


def test_an_increase_is_described_by_the_share_of_rows_above_an_edge() -> None:
    assert moved(numeric(TENURE), 36 + TENURE / 2).statement == "tenure: over 35 in 50% → 100% of rows"


def test_a_peak_in_the_middle_is_described_by_the_share_of_its_bin() -> None:
    found = moved(numeric(TENURE), [*TENURE, *[38.0] * 500])
    assert found.statement == "tenure: 36 to 43 in 11% → 48% of rows"


def test_an_unchanged_feature_is_described_as_unchanged() -> None:
    assert moved(numeric(TENURE), TENURE).statement == "tenure: unchanged"
    assert moved(numeric(TENURE), TENURE).moved_bins == ()


@pytest.mark.parametrize(
    ("feature", "current", "statement"),
    [
        (numeric(TENURE), [math.nan] * 50, "tenure: missing 0% → 100% of rows"),
        (numeric([math.nan] * 50), TENURE, "tenure: missing 100% → 0% of rows"),
        (numeric([math.nan] * 50), [math.nan] * 20, "tenure: unchanged"),
        (numeric([5.0] * 50), TENURE, None),
        (numeric([5.0] * 50), [5.0] * 20, "tenure: unchanged"),
        (numeric(TENURE), [5.0] * 20, None),
        (numeric(TENURE, low=0.0, high=100.0), [*TENURE, *[900.0] * 80], "tenure: out of range 0% → 10% of rows"),
        (
            categorical(list(PAYMENT) * 100),
            ["PayPal"] * 12 + list(PAYMENT) * 29 + ["Mailed check"],
            "payment_method: 12% of rows have a value that is not in the reference",
        ),
        (categorical([None] * 50), list(PAYMENT) * 20, "payment_method: missing 100% → 0% of rows"),
        (categorical(list(PAYMENT) * 20), [None] * 50, "payment_method: missing 0% → 100% of rows"),
    ],
)
def test_every_change_has_a_finite_psi_and_a_band_and_a_description(
    feature: FeatureProfile, current: Any, statement: str | None
) -> None:
    """The changes include only nulls, constant values, a new category and a constant reference."""
    found = moved(feature, current)
    assert found.psi is not None
    assert math.isfinite(found.psi)
    assert found.band is not Band.UNDETERMINED
    if statement is None:
        assert "%" in found.statement
    else:
        assert found.statement == statement
    assert (found.psi == 0.0) == (found.statement == "tenure: unchanged")


def test_text_in_a_numeric_column_is_described() -> None:
    feature = numeric(TENURE)
    found = compare_feature(feature, count_texts(feature.bins, np.array(["a year"] * 30 + ["5"] * 70, dtype=object)))
    assert found.statement.startswith("tenure: ")
    assert found.psi is not None
    assert math.isfinite(found.psi)
    only_text = compare_feature(feature, count_texts(feature.bins, np.array(["a year"] * 30, dtype=object)))
    assert only_text.statement == "tenure: 100% of rows have text where the reference has numbers"


def test_a_broken_feature_does_not_change_other_features() -> None:
    features = (numeric(TENURE), categorical(list(PAYMENT) * 240))
    profile = ReferenceProfile("", 720, features)
    current = {"payment_method": np.array(features[1].counts)}
    broken = compare(profile, {**current, "tenure": count(features[0].bins, np.full(720, math.nan))}, 720)
    whole = compare(profile, {**current, "tenure": np.array(features[0].counts)}, 720)
    assert broken[0].psi is not None
    assert broken[0].psi > 5
    assert broken[1].psi == whole[1].psi == 0.0
    assert broken[1].bins == whole[1].bins


def test_no_measures_are_reported_without_rows() -> None:
    (found,) = compare(ReferenceProfile("", 720, (numeric(TENURE),)), {}, 0)
    assert found.statement == "tenure: no rows in the window, so there is nothing to compare"
    assert (found.psi, found.p_value, found.q_value, found.ks_distance) == (None, None, None, None)
    assert found.band is Band.UNDETERMINED


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.5549, "55%"),
        (0.055, "5.5%"),
        (0.05, "5%"),
        (0.9951, "99.5%"),
        (0.0001, "under 0.1%"),
        (0.99991, "over 99.9%"),
    ],
)
def test_zero_and_one_hundred_percent_are_shown_only_for_exact_shares(share: float, text: str) -> None:
    assert percent(share) == text
