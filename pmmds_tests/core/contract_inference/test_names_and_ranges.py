"""Feature names and value ranges in inferred contracts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmmds_core.contract_inference.names import snake_name, unique_names
from pmmds_core.contract_inference.numeric import slack_range


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("SeniorCitizen", "senior_citizen"),
        ("customerID", "customer_id"),
        ("Age (years)", "age_years"),
        ("2nd try", "n_2nd_try"),
        ("Größe", "grosse"),
        ("年齢", "other"),
        ("x" * 60, "x" * 48),
    ],
)
def test_feature_names_are_in_snake_case(source: str, name: str) -> None:
    assert snake_name(source, "other") == name


def test_feature_names_are_unique_and_not_reserved() -> None:
    names = unique_names(["Age", "age", "AGE!", "score", "年"], {"score", "label"})
    assert names == ["age", "age_2", "age_3", "score_value", "column_5"]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, (0, 1)),
        (18, 89, (0, 160)),
        (-3.649, 3.258, (-11, 11)),
        (1000, 1001, (0, 1100)),
        (-9, -4, (-14, 0)),
        (0.0021, 0.0042, (0, 0.0063)),
    ],
)
def test_observed_ranges_are_widened_to_round_bounds(low: float, high: float, expected: tuple[float, float]) -> None:
    assert slack_range(low, high) == pytest.approx(expected)


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_the_allowed_range_always_contains_the_observed_values(a: float, b: float) -> None:
    low, high = sorted((a, b))
    if low < high:
        least, most = slack_range(low, high)
        assert least <= low < high <= most
        assert math.isfinite(least)
        assert math.isfinite(most)
