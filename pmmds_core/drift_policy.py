"""What a drift comparison means: the verdict of each named rule, with reasons a person can check.

Add a rule as a function that gives a RuleVerdict and name it in `judge`. Keep out: the measures themselves (drift.py)
and what a verdict sets off (monitoring.py, the sensor).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pmmds_core.binning import SCORE
from pmmds_core.drift import Band, FeatureDrift
from pmmds_core.reference_profile import ReferenceProfile

PSI_RULE = "psi_min_features"
_SEVERITY = (Band.UNDETERMINED, Band.NONE, Band.MODERATE, Band.SIGNIFICANT, Band.MAJOR)


class Verdict(StrEnum):
    """`insufficient_data` is never told as `stable`: it means that nobody could look."""

    STABLE = "stable"
    DRIFTED = "drifted"
    INSUFFICIENT_DATA = "insufficient_data"


@dataclass(frozen=True)
class DriftRule:
    """A feature has drifted when its PSI is over `psi_threshold`; `min_features` of them are a drift of the data.

    `min_samples`: fewer current rows are not judged.
    """

    psi_threshold: float
    min_features: int
    min_samples: int


@dataclass(frozen=True)
class RuleVerdict:
    """What one rule says, and why."""

    rule: str
    verdict: Verdict
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class DriftVerdict:
    """The whole judgement. `drifted_features`: over the threshold, the worst first, whatever the verdict."""

    verdict: Verdict
    rules: tuple[RuleVerdict, ...]
    drifted_features: tuple[str, ...]
    severity: Band

    @property
    def words(self) -> str:
        return " ".join(reason for rule in self.rules for reason in rule.reasons)


def judge(features: Sequence[FeatureDrift], n_current: int, rule: DriftRule) -> DriftVerdict:
    """Judge a comparison.

    Args:
        features: of `drift.compare`; the score is reported, and never counted as a feature.
        n_current: rows of the window.
        rule: thresholds.
    """
    own = [f for f in features if f.feature != SCORE]
    over = sorted((f for f in own if (f.psi or 0.0) > rule.psi_threshold), key=lambda f: -(f.psi or 0.0))
    told = _judge_psi(over, len(own), n_current, rule)
    severity = max((f.band for f in over), key=_SEVERITY.index, default=Band.NONE)
    return DriftVerdict(told.verdict, (told,), tuple(f.feature for f in over), severity)


def _judge_psi(over: Sequence[FeatureDrift], n_features: int, n_current: int, rule: DriftRule) -> RuleVerdict:
    if n_current < rule.min_samples:
        reason = f"{n_current:,} rows in the window; {rule.min_samples:,} are needed to judge."
        return RuleVerdict(PSI_RULE, Verdict.INSUFFICIENT_DATA, (reason,))
    named = ", ".join(f"{f.feature} {f.psi:.3f}" for f in over)
    reason = (
        f"{len(over)} of {n_features} features have a PSI over {rule.psi_threshold:g}"
        f"{f' ({named})' if named else ''}; the rule asks for {rule.min_features}."
    )
    verdict = Verdict.DRIFTED if len(over) >= rule.min_features else Verdict.STABLE
    return RuleVerdict(PSI_RULE, verdict, (reason,))


def report_document(
    profile: ReferenceProfile, features: Sequence[FeatureDrift], n_current: int, verdict: DriftVerdict
) -> dict[str, Any]:
    """The stored report: the shape of `pmmds drift compare --json`, in plain JSON values."""
    return {
        "n_reference": profile.n_rows,
        "n_current": n_current,
        "verdict": str(verdict.verdict),
        "rules": [{"rule": r.rule, "verdict": str(r.verdict), "reasons": list(r.reasons)} for r in verdict.rules],
        "features": [_feature_document(f) for f in features],
    }


def _feature_document(feature: FeatureDrift) -> Mapping[str, Any]:
    return {**asdict(feature), "band": str(feature.band), "bins": [asdict(b) for b in feature.bins]}
