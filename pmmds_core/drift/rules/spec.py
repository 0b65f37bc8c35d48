"""The rule of the specification: at least so many features with a PSI over a threshold. It knows nothing of chance."""

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
    """A feature has drifted when its PSI is over `psi_threshold`; `min_features` of them are a drift of the data.

    All of them are, where a contract has fewer than `min_features`: else its data could never drift.
    `min_samples`: fewer current rows are not judged.
    """

    psi_threshold: float
    min_features: int
    min_samples: int


def over_threshold(features: Sequence[FeatureDrift], psi_threshold: float) -> list[FeatureDrift]:
    """Features with a larger PSI, the worst first; the score is never counted."""
    over = [f for f in features if f.feature != SCORE and (f.psi or 0.0) > psi_threshold]
    return sorted(over, key=lambda f: -(f.psi or 0.0))


def judge_spec(features: Sequence[FeatureDrift], n_current: int, rule: SpecRule) -> RuleVerdict:
    """Judge the features of `drift.compare`."""
    if (too_few := too_few_rows(RULE, n_current, rule.min_samples)) is not None:
        return too_few
    over = over_threshold(features, rule.psi_threshold)
    n_features = sum(f.feature != SCORE for f in features)
    asked = min(rule.min_features, max(n_features, 1))
    only = f" (of {rule.min_features}: there are no more)" if asked < rule.min_features else ""
    named = ", ".join(f"{f.feature} {f.psi:.3f}" for f in over)
    reason = (
        f"{len(over)} of {n_features} features have a PSI over {rule.psi_threshold:g}"
        f"{f' ({named})' if named else ''}; the rule asks for {asked}{only}."
    )
    verdict = Verdict.DRIFTED if len(over) >= asked else Verdict.STABLE
    return RuleVerdict(RULE, verdict, (reason, *findings(over)), tuple(f.feature for f in over))
