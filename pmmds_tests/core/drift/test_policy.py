"""The rule: which PSI counts, how many features make a drift, and when nobody can say."""

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
        replace(EMPTY, feature=f"f{i}", psi=value, band=band(value), statement=f"f{i}: a 1 % → 2 % of rows")
        for i, value in enumerate(psis)
    ]
    return [*named, replace(EMPTY, feature=SCORE, psi=score, band=band(score))]


@pytest.mark.parametrize(
    ("psis", "verdict"),
    [
        ((0.21, 0.3, 0.9), Verdict.DRIFTED),
        ((0.21, 0.3, 0.2), Verdict.STABLE),  # at the threshold is not over it
        ((9.0, 9.0, 0.0), Verdict.STABLE),
        ((None, 9.0, 9.0), Verdict.STABLE),
        ((0.0, 0.0, 0.0), Verdict.STABLE),
    ],
)
def test_three_features_strictly_over_the_threshold_are_a_drift(psis: tuple[float, ...], verdict: Verdict) -> None:
    assert judge(features(*psis), 100, RULE).verdict is verdict


def test_the_score_is_never_counted_as_a_feature() -> None:
    judged = judge(features(0.3, 0.3, 0.0, score=5.0), 100, RULE)
    assert judged.verdict is Verdict.STABLE
    assert judged.drifted_features == ("f0", "f1")


def test_a_contract_with_fewer_features_than_the_rule_asks_for_can_drift() -> None:
    judged = judge(features(0.3, 0.4, score=0.0), 100, RULE)
    assert judged.verdict is Verdict.DRIFTED
    assert judged.rules[0].reasons[0].endswith("; the rule asks for 2 (of 3: there are no more).")
    assert judge(features(0.3, 0.1, score=5.0), 100, RULE).verdict is Verdict.STABLE


def test_one_row_too_few_is_insufficient_data_whatever_the_psi() -> None:
    judged = judge(features(9.0, 9.0, 9.0), 99, RULE)
    assert judged.verdict is Verdict.INSUFFICIENT_DATA
    assert judged.words == "99 rows in the window; 100 are needed to judge."


def test_the_reasons_name_the_features_the_worst_first_and_what_was_asked_for() -> None:
    judged = judge(features(0.25, 0.1, 0.9, 0.3), 500, RULE)
    assert judged.drifted_features == ("f2", "f3", "f0")
    summary, *findings = judged.rules[0].reasons
    assert summary == "3 of 4 features have a PSI over 0.2 (f2 0.900, f3 0.300, f0 0.250); the rule asks for 3."
    assert findings[0] == "f2: a 1 % → 2 % of rows (PSI 0.900, chance alone gives unknown, p unknown, major)."
    assert judged.words == " ".join((summary, *findings))
    assert str(judged.severity) == "major"


def test_the_severity_is_the_band_of_the_worst_feature() -> None:
    assert str(judge(features(0.21, 0.22, 0.23), 500, RULE).severity) == "significant"
