"""The drift policy with the rule `spec`: PSI threshold, number of drifted features and insufficient data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pmmds_core.drift.comparison import FeatureDrift, band
from pmmds_core.drift.policy import DriftRule, judge
from pmmds_core.profiling.bins import SCORE
from pmmds_core.statistics.verdict import Verdict

RULE = DriftRule(psi_threshold=0.2, min_features=3, min_samples=100)
EMPTY = FeatureDrift("x", "numeric", None, None, None, None, band(None), None, None, None, None, None, ())


def features(*psis: float | None, score: float = 0.0) -> list[FeatureDrift]:
    named = [
        replace(EMPTY, feature=f"f{i}", psi=value, band=band(value), statement=f"f{i}: a 1% → 2% of rows")
        for i, value in enumerate(psis)
    ]
    return [*named, replace(EMPTY, feature=SCORE, psi=score, band=band(score))]


@pytest.mark.parametrize(
    ("psis", "verdict"),
    [
        ((0.21, 0.3, 0.9), Verdict.DRIFTED),
        ((0.21, 0.3, 0.2), Verdict.STABLE),  # A PSI equal to the threshold is not drift.
        ((9.0, 9.0, 0.0), Verdict.STABLE),
        ((None, 9.0, 9.0), Verdict.STABLE),
        ((0.0, 0.0, 0.0), Verdict.STABLE),
    ],
)
def test_the_spec_rule_requires_three_features_above_the_psi_threshold(
    psis: tuple[float, ...], verdict: Verdict
) -> None:
    assert judge(features(*psis), 10_000, 100, RULE).verdict is verdict


def test_the_score_is_never_counted_as_a_feature() -> None:
    judged = judge(features(0.3, 0.3, 0.0, score=5.0), 10_000, 100, RULE)
    assert judged.verdict is Verdict.STABLE
    assert judged.drifted_features == ("f0", "f1")


def test_a_contract_with_fewer_features_than_the_rule_requires_can_drift() -> None:
    judged = judge(features(0.3, 0.4, score=0.0), 10_000, 100, RULE)
    assert judged.verdict is Verdict.DRIFTED
    assert judged.rules[0].reasons[0].endswith("; the rule requires 2 (all features; the setting is 3).")
    assert judge(features(0.3, 0.1, score=5.0), 10_000, 100, RULE).verdict is Verdict.STABLE


def test_one_row_below_the_minimum_gives_insufficient_data() -> None:
    judged = judge(features(9.0, 9.0, 9.0), 10_000, 99, RULE)
    assert judged.verdict is Verdict.INSUFFICIENT_DATA
    assert judged.reason_text == "99 rows in the window; at least 100 are required."


def test_reasons_for_drift_list_features_by_psi_and_the_required_number() -> None:
    judged = judge(features(0.25, 0.1, 0.9, 0.3), 10_000, 500, RULE)
    assert judged.drifted_features == ("f2", "f3", "f0")
    summary, *findings = judged.rules[0].reasons
    assert summary == "3 of 4 features have a PSI above 0.2 (f2 0.900, f3 0.300, f0 0.250); the rule requires 3."
    assert findings[0] == "f2: a 1% → 2% of rows (PSI 0.900, expected by chance unknown, p unknown, major)."
    assert judged.reason_text == " ".join((summary, *findings))
    assert str(judged.severity) == "major"


def test_severity_is_the_band_of_the_worst_feature() -> None:
    assert str(judge(features(0.21, 0.22, 0.23), 10_000, 500, RULE).severity) == "significant"
