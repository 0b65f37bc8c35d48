"""The rule `spec` from the specification requires a minimum number of features with a PSI above a threshold.

Unlike the rule `calibrated` (calibrated.py), it ignores the sample size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pmmds_core.drift.comparison import FeatureDrift
from pmmds_core.drift.rules.rule_verdict import RuleVerdict, findings, too_few_rows
from pmmds_core.profiling.bins import SCORE
from pmmds_core.statistics.verdict import Verdict

RULE = "spec"


@dataclass(frozen=True)
class SpecRule:
    """The settings of the rule.

    Data has drifted if at least `min_features` features have a PSI above `psi_threshold`. A contract with fewer
    features requires all of them, because otherwise its data could never drift. `min_samples` is the minimum number of
    rows on each side for a verdict. `feature_thresholds` has thresholds of single features that replace
    `psi_threshold`.
    """

    psi_threshold: float
    min_features: int
    min_samples: int
    feature_thresholds: Mapping[str, float] = field(default_factory=dict)

    def is_over(self, feature: FeatureDrift) -> bool:
        """Return True if the feature's PSI is above its threshold. The result is never True for the score."""
        limit = self.feature_thresholds.get(feature.feature, self.psi_threshold)
        return feature.feature != SCORE and (feature.psi or 0.0) > limit


def over_threshold(features: Sequence[FeatureDrift], rule: SpecRule) -> list[FeatureDrift]:
    """Return the features with a PSI above their threshold, largest PSI first and without the score."""
    over = [f for f in features if rule.is_over(f)]
    return sorted(over, key=lambda f: -(f.psi or 0.0))


def judge_spec(features: Sequence[FeatureDrift], n_reference: int, n_current: int, rule: SpecRule) -> RuleVerdict:
    """Apply the rule to the result of `comparison.compare`."""
    if (too_few := too_few_rows(RULE, n_reference, n_current, rule.min_samples)) is not None:
        return too_few
    over = over_threshold(features, rule)
    n_features = sum(f.feature != SCORE for f in features)
    required = min(rule.min_features, max(n_features, 1))
    only = f" (all features; the setting is {rule.min_features})" if required < rule.min_features else ""
    named = ", ".join(f"{f.feature} {f.psi:.3f}" for f in over)
    reason = (
        f"{len(over)} of {n_features} features have a PSI above {rule.psi_threshold:g}{_own_thresholds(rule)}"
        f"{f' ({named})' if named else ''}; the rule requires {required}{only}."
    )
    verdict = Verdict.DRIFTED if len(over) >= required else Verdict.STABLE
    return RuleVerdict(RULE, verdict, (reason, *findings(over)), tuple(f.feature for f in over))


def _own_thresholds(rule: SpecRule) -> str:
    own = ", ".join(f"{name} {threshold:g}" for name, threshold in rule.feature_thresholds.items())
    return f" (own thresholds: {own})" if own else ""
