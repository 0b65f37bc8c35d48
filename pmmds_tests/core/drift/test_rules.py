"""False alarms and detections of the rules `calibrated`, `joint` and `sequential` on the packaged sample.

`benchmarks/drift_statistics.py` measures the same rates more precisely with more trials.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from benchmarks.drift_statistics import Population, Split, load_population, shares_moved
from pmmds_core.drift.comparison import Counts, FeatureDrift, compare
from pmmds_core.drift.policy import DriftRule, judge
from pmmds_core.drift.rules.joint import JointRule, judge_joint
from pmmds_core.drift.rules.rule_verdict import RuleVerdict
from pmmds_core.drift.rules.sequential import MIN_WINDOWS, SequentialRule, judge_sequential
from pmmds_core.profiling.reference_rows import Codes
from pmmds_core.statistics.verdict import Verdict

RULE = DriftRule(psi_threshold=0.2, min_features=3, min_samples=100)
WEEKLY = SequentialRule(false_alarms_per_year=0.1, window_hours=168)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Use one BLAS thread, as the monitor does, because competing threads are ten times slower."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def population() -> Population:
    return load_population()


@pytest.fixture(scope="module")
def split(population: Population) -> Split:
    return population.split(np.random.default_rng(0))


def calibrated(split: Split, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> RuleVerdict:
    features = compare(split.profile, split.counts(rows), len(rows))
    return next(r for r in judge(features, 10_000, len(rows), RULE).rules if r.rule == "calibrated")


@pytest.mark.parametrize("n", [100, 500])
def test_the_calibrated_rule_keeps_its_false_alarm_rate(population: Population, n: int) -> None:
    rng = np.random.default_rng(n)
    n_alarms = 0
    for _ in range(20):
        split = population.split(rng)
        for _ in range(20):
            n_alarms += calibrated(split, rng.choice(split.others, n, replace=False)).verdict is Verdict.DRIFTED
    assert 4 <= n_alarms <= 40, "about 20 false alarms in 400 trials are expected"


def test_the_calibrated_rule_detects_and_names_the_drifted_feature(population: Population, split: Split) -> None:
    weights = shares_moved(population.columns["contract"] == "Month-to-month", 0.75)
    found = calibrated(split, np.random.default_rng(1).choice(len(weights), 500, p=weights))
    assert found.verdict is Verdict.DRIFTED
    assert found.flagged[0] == "contract"
    assert found.reasons[1].startswith("contract: Month-to-month 5")
    for part in ("→ 7", "(PSI 0.", "expected by chance 0.0", "p < 0.0001"):
        assert part in found.reasons[1]


def test_only_alerting_rules_determine_the_verdict(population: Population, split: Split) -> None:
    weights = shares_moved(population.columns["contract"] == "Month-to-month", 0.70)
    rows = np.random.default_rng(2).choice(len(weights), 500, p=weights)
    features = compare(split.profile, split.counts(rows), 500)
    by_default = judge(features, 10_000, 500, RULE)
    assert [str(r.verdict) for r in by_default.rules] == ["stable", "drifted"]
    assert by_default.verdict is Verdict.STABLE
    calibrated = judge(features, 10_000, 500, replace(RULE, alert_rules=("spec", "calibrated")))
    assert calibrated.verdict is Verdict.DRIFTED
    assert "contract: Month-to-month" in calibrated.reason_text
    assert "the rule requires" not in calibrated.reason_text, "the verdict has no reasons from the rule spec"
    assert str(calibrated.severity) in ("moderate", "significant", "major")


def test_an_alerting_rule_that_was_not_evaluated_gives_insufficient_data(split: Split) -> None:
    features: tuple[FeatureDrift, ...] = compare(split.profile, split.counts(split.others), len(split.others))
    judged = judge(features, 10_000, len(split.others), replace(RULE, alert_rules=("joint",)))
    assert judged.verdict is Verdict.INSUFFICIENT_DATA


def drawn(split: Split, n: int, seed: int) -> Codes:
    codes: Codes = split.codes[np.random.default_rng(seed).choice(split.others, n, replace=False)]
    return codes


def test_the_joint_rule_detects_a_shuffled_column_and_names_the_pair(split: Split) -> None:
    current, rng = drawn(split, 400, 3).copy(), np.random.default_rng(4)
    tenure = [f.bins.feature for f in split.profile.features].index("tenure")
    rows = rng.choice(400, 120, replace=False)
    current[rows, tenure] = current[rng.permutation(rows), tenure]
    found = judge_joint(split.profile, split.codes[split.reference], current, JointRule(0.05, 100))
    assert found.verdict.verdict is Verdict.DRIFTED
    assert "tenure" in found.pairs[0].features
    assert found.pairs[0].p_value <= 0.05
    assert "changed their dependence" in found.verdict.reasons[0]
    # The counts of each feature are unchanged, so rules on single features do not detect the change.
    alone = compare(
        split.profile,
        {
            f.bins.feature: np.bincount(current[:, i], minlength=f.bins.n_bins)
            for i, f in enumerate(split.profile.with_score)
        },
        400,
    )
    assert judge(alone, 10_000, 400, RULE).rules[1].verdict is Verdict.STABLE


def test_the_joint_rule_ignores_shifts_of_single_features(population: Population, split: Split) -> None:
    """Oversampling month-to-month rows shifts single features but must not count as a changed pair."""
    is_monthly = population.columns["contract"][split.others] == "Month-to-month"
    rng, n_alarms = np.random.default_rng(5), 0
    for _ in range(20):
        rows = np.append(
            rng.choice(split.others[is_monthly], 210, replace=False),
            rng.choice(split.others[~is_monthly], 90, replace=False),
        )
        found = judge_joint(split.profile, split.codes[split.reference], split.codes[rows], JointRule(0.05, 100))
        n_alarms += found.verdict.verdict is Verdict.DRIFTED
    assert n_alarms <= 5, "about 1 false alarm in 20 trials is expected"


@pytest.mark.parametrize("n", [0, 99])
def test_the_joint_rule_is_not_evaluated_on_too_few_rows(split: Split, n: int) -> None:
    found = judge_joint(split.profile, split.codes[split.reference], drawn(split, n, 6), JointRule(0.05, 100))
    assert found.verdict.verdict is Verdict.INSUFFICIENT_DATA
    assert found.pairs == ()


def test_the_joint_rule_excludes_features_that_contain_only_nulls(split: Split) -> None:
    current = drawn(split, 300, 7).copy()
    current[:, 0] = split.profile.features[0].bins.null_index
    found = judge_joint(split.profile, split.codes[split.reference], current, JointRule(0.05, 100))
    assert found.verdict.verdict is Verdict.STABLE
    assert all(split.profile.features[0].bins.feature not in pair.features for pair in found.pairs)


def weeks(
    split: Split, population: Population, n_weeks: int, monthly: float | None, seed: int
) -> list[dict[str, Counts]]:
    rng = np.random.default_rng(seed)
    weights = None if monthly is None else shares_moved(population.columns["contract"] == "Month-to-month", monthly)
    return [split.counts(rng.choice(population.data.n_rows, 500, p=weights)) for _ in range(n_weeks)]


def test_the_sequential_rule_detects_weak_drift_over_several_weeks(population: Population, split: Split) -> None:
    before, after = weeks(split, population, 20, None, 8), weeks(split, population, 20, 0.60, 9)
    assert judge_sequential(split.profile, before, WEEKLY).verdict is Verdict.STABLE
    found = judge_sequential(split.profile, before + after, WEEKLY)
    assert found.verdict is Verdict.DRIFTED
    assert "contract" in found.flagged
    contract = next(reason for reason in found.reasons if reason.startswith("contract: "))
    assert "Month-to-month" in contract
    assert "over the last" in contract


def test_the_sequential_rule_requires_a_minimum_number_of_windows(population: Population, split: Split) -> None:
    few = weeks(split, population, MIN_WINDOWS - 1, None, 10)
    found = judge_sequential(split.profile, few, WEEKLY)
    assert found.verdict is Verdict.INSUFFICIENT_DATA
    assert judge_sequential(split.profile, [], WEEKLY).verdict is Verdict.INSUFFICIENT_DATA


def test_the_sequential_rule_detects_a_broken_feature_in_its_first_window(population: Population, split: Split) -> None:
    (week,) = weeks(split, population, 1, None, 11)
    bins = split.profile.features[4].bins
    week[bins.feature] = np.array([0] * (bins.n_bins - 1) + [500])
    found = judge_sequential(split.profile, [week], WEEKLY)
    assert found.verdict is Verdict.DRIFTED
    assert found.reasons[1] == f"{bins.feature}: missing 0% → 100% of rows, in the last window."


def test_allowing_fewer_false_alarms_per_year_raises_the_threshold() -> None:
    assert SequentialRule(0.1, 168).threshold == pytest.approx(521.8, abs=0.1)
    assert SequentialRule(1.0, 24).threshold == pytest.approx(365.25)
