"""What a drift comparison means: the verdicts of the named rules put together, and the report's document.

Add a rule as a module of drift/rules and put it into `judge`. Keep out: the measures themselves (comparison.py), what a
single rule decides (drift/rules), what a verdict sets off (workflows/monitoring.py, the sensor).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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

    `psi_threshold`, `min_features`: of the rule spec. `min_samples`: fewer current rows are not judged.
    `false_alarm_rate`: of calibrated and joint, 0–1 a window. `alert_rules`: names of the rules that make the verdict.
    """

    psi_threshold: float
    min_features: int
    min_samples: int
    false_alarm_rate: float = 0.05
    alert_rules: tuple[str, ...] = (spec.RULE,)

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
    """The whole judgement. `rules`: every rule that was asked; `alert_rules`: names of those that make the verdict.

    `drifted_features`: over the PSI threshold, the worst first, whatever the verdict. `severity`: band of the worst of
    them and of what the alerting rules hold for moved; at least moderate when drifted.
    """

    verdict: Verdict
    rules: tuple[RuleVerdict, ...]
    alert_rules: tuple[str, ...]
    drifted_features: tuple[str, ...]
    severity: Band

    @property
    def words(self) -> str:
        """The reasons of the alerting rules that agree with the verdict, for a person."""
        told = [r for r in self.rules if r.rule in self.alert_rules and r.verdict is self.verdict]
        if len(told) == 1:
            return " ".join(told[0].reasons)
        return " ".join(f"{r.rule}: {' '.join(r.reasons)}" for r in told)


def judge(
    features: Sequence[FeatureDrift], n_current: int, rule: DriftRule, further: Sequence[RuleVerdict] = ()
) -> DriftVerdict:
    """Judge a comparison.

    The verdict is drifted when an alerting rule says so, stable when none does and at least one could look, else
    insufficient_data: a rule that was not asked could not look.

    Args:
        features: of `drift.compare`; the score is reported, and never counted as a feature.
        n_current: rows of the window.
        rule: thresholds.
        further: verdicts of rules that need more than the counts (joint, sequential).
    """
    told = (
        judge_spec(features, n_current, SpecRule(rule.psi_threshold, rule.min_features, rule.min_samples)),
        judge_calibrated(features, n_current, CalibratedRule(rule.false_alarm_rate, rule.min_samples)),
        *further,
    )
    alerting = [r for r in told if r.rule in rule.alert_rules]
    verdict = _together({r.verdict for r in alerting})
    over = over_threshold(features, rule.psi_threshold)
    moved = {name for r in alerting if r.verdict is Verdict.DRIFTED for name in r.flagged} | {f.feature for f in over}
    severity = max((f.band for f in features if f.feature in moved), key=_SEVERITY.index, default=Band.NONE)
    if verdict is Verdict.DRIFTED and severity is Band.NONE:
        severity = Band.MODERATE
    return DriftVerdict(verdict, told, rule.alert_rules, tuple(f.feature for f in over), severity)


def _together(verdicts: set[Verdict]) -> Verdict:
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
    """The stored report: the shape of `pmmds drift compare --json`, in plain JSON values.

    Args:
        profile: what was compared with.
        features: of `drift.compare`.
        n_current: rows of the window.
        verdict: of `judge`.
        segments: the same comparison within segments, where it was asked for.
        pairs: what the joint rule measured, where it looked.
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
    found = asdict(feature)
    return {**found, "band": str(feature.band), "bins": list(found["bins"]), "moved_bins": list(found["moved_bins"])}
