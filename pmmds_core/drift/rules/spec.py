"""The rule `spec` of the specification: a minimum number of features with a PSI above a threshold.

It ignores sample size; the rule `calibrated` (calibrated.py) does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pmmds_core.drift.comparison import FeatureDrift
from pmmds_core.drift.rules.rule_verdict import RuleVerdict, findings, too_few_rows
from pmmds_core.profiling.bins import SCORE
from pmmds_core.statistics.verdict import Verdict

RULE = "spec"


@dataclass(frozen=True)
class SpecRule:
    """Data has drifted if at least `min_features` features have a PSI above `psi_threshold`.

    A contract with fewer features requires all of them, because otherwise its data could never drift.
    `min_samples`: minimum current rows for a verdict.
    """

    psi_threshold: float
    min_features: int
    min_samples: int


def over_threshold(features: Sequence[FeatureDrift], psi_threshold: float) -> list[FeatureDrift]:
    """Features with a PSI above the threshold, largest first, without the score."""
    over = [f for f in features if f.feature != SCORE and (f.psi or 0.0) > psi_threshold]
    return sorted(over, key=lambda f: -(f.psi or 0.0))


def judge_spec(features: Sequence[FeatureDrift], n_current: int, rule: SpecRule) -> RuleVerdict:
    """Apply the rule to the result of `comparison.compare`."""
    if (too_few := too_few_rows(RULE, n_current, rule.min_samples)) is not None:
        return too_few
    over = over_threshold(features, rule.psi_threshold)
    n_features = sum(f.feature != SCORE for f in features)
    required = min(rule.min_features, max(n_features, 1))
    only = f" (all features; the setting is {rule.min_features})" if required < rule.min_features else ""
    named = ", ".join(f"{f.feature} {f.psi:.3f}" for f in over)
    reason = (
        f"{len(over)} of {n_features} features have a PSI above {rule.psi_threshold:g}"
        f"{f' ({named})' if named else ''}; the rule requires {required}{only}."
    )
    verdict = Verdict.DRIFTED if len(over) >= required else Verdict.STABLE
    return RuleVerdict(RULE, verdict, (reason, *findings(over)), tuple(f.feature for f in over))
