"""The drift policy: combines the verdicts of the named rules into a single verdict and builds the report document.

Not here: the comparison (comparison.py), single rules (rules/) and the actions on a verdict (workflows/monitoring.py,
the drift alert sensor).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from pmmds_core.config.settings import Settings
from pmmds_core.drift.comparison import Band, FeatureDrift
from pmmds_core.drift.rules import calibrated, joint, sequential, spec
from pmmds_core.drift.rules.calibrated import CalibratedRule, judge_calibrated
from pmmds_core.drift.rules.rule_verdict import RuleVerdict
from pmmds_core.drift.rules.spec import SpecRule, judge_spec, over_threshold
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.statistics.verdict import Verdict

if TYPE_CHECKING:
    from pmmds_core.drift.rules.joint import PairDrift
    from pmmds_core.drift.segments import SegmentDrift

__all__ = ["RULES", "DriftRule", "DriftVerdict", "RuleVerdict", "judge", "report_document"]

RULES = (spec.RULE, calibrated.RULE, joint.RULE, sequential.RULE)
_SEVERITY = (Band.UNDETERMINED, Band.NONE, Band.MODERATE, Band.SIGNIFICANT, Band.MAJOR)


@dataclass(frozen=True)
class DriftRule:
    """The settings of all rules.

    `psi_threshold`, `min_features` and `feature_thresholds` are settings of the rule `spec`. `min_samples` is the
    minimum number of rows on each side for a verdict. `false_alarm_rate` is the rate per window, from 0 to 1, of the
    rules `calibrated` and `joint`. `alert_rules` has the rules that determine the verdict.
    """

    psi_threshold: float
    min_features: int
    min_samples: int
    false_alarm_rate: float = 0.05
    alert_rules: tuple[str, ...] = (spec.RULE,)
    feature_thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def spec(self) -> SpecRule:
        return SpecRule(self.psi_threshold, self.min_features, self.min_samples, self.feature_thresholds)

    @classmethod
    def of(cls, s: Settings) -> DriftRule:
        return cls(
            s.drift_psi_threshold,
            s.drift_min_drift_features,
            s.drift_min_samples_required,
            s.drift_false_alarm_rate,
            s.alert_rules,
        )


@dataclass(frozen=True)
class DriftVerdict:
    """The combined verdict.

    `rules` has every evaluated rule, and `alert_rules` has the names of the rules that determine the verdict.
    `drifted_features` has the features above the PSI threshold, largest PSI first. It is empty without a verdict.
    `severity` is the worst band of these features and of the features flagged by the alerting rules. It is at least
    moderate if the verdict is drifted.
    """

    verdict: Verdict
    rules: tuple[RuleVerdict, ...]
    alert_rules: tuple[str, ...]
    drifted_features: tuple[str, ...]
    severity: Band

    @property
    def reason_text(self) -> str:
        """The reasons given by the alerting rules whose verdict is the combined one."""
        deciding = [r for r in self.rules if r.rule in self.alert_rules and r.verdict is self.verdict]
        if len(deciding) == 1:
            return " ".join(deciding[0].reasons)
        return " ".join(f"{r.rule}: {' '.join(r.reasons)}" for r in deciding)


def judge(
    features: Sequence[FeatureDrift],
    n_reference: int,
    n_current: int,
    rule: DriftRule,
    further: Sequence[RuleVerdict] = (),
) -> DriftVerdict:
    """Combine the verdicts of the rules on a comparison.

    The verdict is drifted if an alerting rule detected drift. It is stable if no alerting rule detected drift and at
    least one was evaluated. Otherwise, it is insufficient_data.

    Args:
        features: the result of `comparison.compare`. The score is never counted as a feature.
        n_reference: the number of rows in the reference.
        n_current: the number of rows in the window.
        rule: the thresholds and the alerting rules.
        further: the verdicts of the rules that need more than the counts (joint, sequential).
    """
    verdicts = (
        judge_spec(features, n_reference, n_current, rule.spec),
        judge_calibrated(features, n_reference, n_current, CalibratedRule(rule.false_alarm_rate, rule.min_samples)),
        *further,
    )
    alerting = [r for r in verdicts if r.rule in rule.alert_rules]
    verdict = _combined({r.verdict for r in alerting})
    # If there are too few rows, no feature must be reported as drifted.
    over = [] if verdict is Verdict.INSUFFICIENT_DATA else over_threshold(features, rule.spec)
    moved = {name for r in alerting if r.verdict is Verdict.DRIFTED for name in r.flagged} | {f.feature for f in over}
    severity = max((f.band for f in features if f.feature in moved), key=_SEVERITY.index, default=Band.NONE)
    if verdict is Verdict.DRIFTED and severity is Band.NONE:
        severity = Band.MODERATE
    return DriftVerdict(verdict, verdicts, rule.alert_rules, tuple(f.feature for f in over), severity)


def _combined(verdicts: set[Verdict]) -> Verdict:
    order = (Verdict.DRIFTED, Verdict.STABLE)
    return next((v for v in order if v in verdicts), Verdict.INSUFFICIENT_DATA)


def report_document(
    profile: ReferenceProfile,
    features: Sequence[FeatureDrift],
    n_current: int,
    verdict: DriftVerdict,
    *,
    segments: Sequence[SegmentDrift] = (),
    pairs: Sequence[PairDrift] = (),
) -> dict[str, Any]:
    """Return the report document to store, as plain JSON values in the format of `pmmds drift compare --json`.

    Args:
        profile: the reference profile.
        features: the result of `comparison.compare`.
        n_current: the number of rows in the window.
        verdict: the result of `judge`.
        segments: the comparisons within segments, if requested.
        pairs: the feature pairs measured by the joint rule, if it was evaluated.
    """
    return {
        "n_reference": profile.n_rows,
        "n_current": n_current,
        "verdict": str(verdict.verdict),
        "alert_rules": list(verdict.alert_rules),
        "rules": [{"rule": r.rule, "verdict": str(r.verdict), "reasons": list(r.reasons)} for r in verdict.rules],
        "features": [_feature_document(f) for f in features],
        "segments": [{**asdict(s), "verdict": str(s.verdict), "reasons": list(s.reasons)} for s in segments],
        "pairs": [{"features": list(p.features), "psi": p.psi, "p_value": p.p_value} for p in pairs],
    }


def _feature_document(feature: FeatureDrift) -> Mapping[str, Any]:
    document = asdict(feature)
    lists = {name: list(document[name]) for name in ("bins", "moved_bins")}
    return {**document, "band": str(feature.band), **lists}
