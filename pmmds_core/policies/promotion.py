"""The promotion policy, a pure function that turns an evaluation into a judgment with a reason text.

Add a criterion here. Not here: measuring (evaluation/comparison.py), acting (workflows/promotion.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from pmmds_core.statistics.p_values import format_p_value

if TYPE_CHECKING:
    from pmmds_core.evaluation.comparison import ModelEvaluation

SIGNIFICANCE_LEVEL = 0.05
MET, NOT_MET, NOT_EVALUATED = "met", "not met", "not evaluated"
# The order of the criteria in the reason text.
_REASON_ORDER = ("improvement", "validation", "latency", "significance", "segments")


@dataclass(frozen=True)
class PromotionPolicy:
    """The thresholds of the criteria.

    If `significance` is `advisory`, the DeLong test is only reported. If it is `required`, the test is blocking. With
    `forbid_worse_segment`, a challenger is held if the ROC-AUC of any segment drops significantly and by more than
    `segment_margin`.
    """

    min_improvement: float = 0.001
    max_latency_ratio: float = 1.2
    significance: Literal["advisory", "required"] = "advisory"
    forbid_worse_segment: bool = False
    segment_margin: float = 0.02


@dataclass(frozen=True)
class Criterion:
    """One criterion of a judgment.

    Only `blocking` criteria affect the decision. The others are only reported. `value` is the measurement, or None if
    the criterion could not be evaluated. Such a criterion never passes. `threshold` is the limit, including its
    operator.
    """

    name: str
    passed: bool
    blocking: bool
    sentence: str
    value: float | str | None
    threshold: str

    @property
    def verdict(self) -> str:
        if self.value is None:
            return NOT_EVALUATED
        return MET if self.passed else NOT_MET

    def to_document(self) -> dict[str, Any]:
        return {**asdict(self), "verdict": self.verdict}


@dataclass(frozen=True)
class PromotionJudgment:
    """The outcome of the policy, with every criterion and the reason text."""

    promoted: bool
    primary_metric_improvement: float | None
    promotion_reason: str
    criteria: tuple[Criterion, ...]

    def to_document(self) -> dict[str, Any]:
        return {
            "promoted": self.promoted,
            "primary_metric_improvement": self.primary_metric_improvement,
            "promotion_reason": self.promotion_reason,
            "criteria": [c.to_document() for c in self.criteria],
        }


def judge(evaluation: ModelEvaluation, policy: PromotionPolicy) -> PromotionJudgment:
    """Apply the policy to an evaluation. The first model has no champion, so only validation applies."""
    criteria = [_validation(evaluation)]
    if evaluation.champion_version is not None:
        criteria += [_improvement(evaluation, policy), _latency(evaluation, policy), _significance(evaluation, policy)]
        criteria += [_segments(evaluation, policy)] if evaluation.segments is not None else []
    promoted = all(c.passed for c in criteria if c.blocking)
    return PromotionJudgment(
        promoted, evaluation.primary_metric_improvement, _reason(evaluation, criteria, promoted), tuple(criteria)
    )


def _validation(evaluation: ModelEvaluation) -> Criterion:
    passed = evaluation.validation_passed
    sentence = "Validation passed." if passed else "Validation did not pass or was skipped."
    return Criterion("validation", passed, True, sentence, "passed" if passed else "not passed", "= passed")


def _improvement(evaluation: ModelEvaluation, policy: PromotionPolicy) -> Criterion:
    assert evaluation.champion_metrics is not None
    name = evaluation.primary_metric
    new, old = evaluation.challenger_metrics[name], evaluation.champion_metrics[name]
    passed = new - old >= policy.min_improvement
    needed = "" if passed else f"; at least +{policy.min_improvement:g} is required"
    gain = f"{new - old:+.{_decimals(new - old, policy.min_improvement, 4)}f}"
    sentence = f"{name}: {new:.4f} vs {old:.4f} ({gain}{needed})."
    return Criterion("improvement", passed, True, sentence, new - old, f"≥ {policy.min_improvement:g}")


def _latency(evaluation: ModelEvaluation, policy: PromotionPolicy) -> Criterion:
    assert evaluation.latency_ratio is not None
    ratio = evaluation.latency_ratio
    passed = ratio <= policy.max_latency_ratio
    sentence = f"Latency OK ({ratio:.2f}x)." if passed else _too_slow(ratio, policy)
    return Criterion("latency", passed, True, sentence, ratio, f"≤ {policy.max_latency_ratio:g}")


def _too_slow(ratio: float, policy: PromotionPolicy) -> str:
    rounded = f"{ratio:.{_decimals(ratio, policy.max_latency_ratio, 2)}f}"
    return f"Latency too high ({rounded}x; at most {policy.max_latency_ratio:g}x is allowed)."


def _decimals(value: float, bound: float, minimum: int) -> int:
    """Return the number of decimals that distinguish a value from the limit it misses.

    For example, 0.00096 must not be shown as "+0.0010".
    """
    enough = (n for n in range(minimum, 9) if round(value, n) != round(bound, n) or value == bound)
    return next(enough, 9)


def _significance(evaluation: ModelEvaluation, policy: PromotionPolicy) -> Criterion:
    assert evaluation.delong_p_value is not None
    p = evaluation.delong_p_value
    passed = p < SIGNIFICANCE_LEVEL
    finding = "significantly better" if passed else "not significant"
    role = "required" if policy.significance == "required" else "advisory"
    sentence = f"DeLong p {format_p_value(p)}, {finding} ({role})."
    return Criterion("significance", passed, role == "required", sentence, p, f"< {SIGNIFICANCE_LEVEL:g}")


def _segments(evaluation: ModelEvaluation, policy: PromotionPolicy) -> Criterion:
    """Evaluate the segments.

    A segment counts as worse only if its loss exceeds the margin and its q-value is significant.
    """
    threshold = f"≥ -{policy.segment_margin:g}, or chance (q ≥ {SIGNIFICANCE_LEVEL:g})"
    role = "required" if policy.forbid_worse_segment else "advisory"
    compared = [s for s in evaluation.segments or [] if s["difference"] is not None]
    if not compared:
        sentence = f"No segment had enough rows to compare ({role})."
        return Criterion("segments", False, policy.forbid_worse_segment, sentence, None, threshold)
    worse = [s for s in compared if s["difference"] < -policy.segment_margin and s["q_value"] < SIGNIFICANCE_LEVEL]
    lowest = min(worse or compared, key=lambda s: float(s["difference"]))
    where = (
        f"{lowest['feature']} = {lowest['value']} ({lowest['difference']:+.4f}, q {format_p_value(lowest['q_value'])})"
    )
    none = f"No segment is significantly worse by more than {policy.segment_margin:g}; lowest"
    sentence = f"{'Worse' if worse else none} where {where} ({role})."
    return Criterion(
        "segments", not worse, policy.forbid_worse_segment, sentence, float(lowest["difference"]), threshold
    )


def _reason(evaluation: ModelEvaluation, criteria: list[Criterion], promoted: bool) -> str:
    challenger = f"Challenger v{evaluation.challenger_version}"
    if evaluation.champion_version is None:
        verdict = "is the first model" if promoted else "is the first model and is not promoted"
        return f"{challenger} {verdict}. {criteria[0].sentence}"
    verb = "outperforms" if promoted else "does not replace"
    reported = [c for c in criteria if c.name != "segments" or c.blocking or not c.passed]
    order = sorted(reported, key=lambda c: _REASON_ORDER.index(c.name))
    return f"{challenger} {verb} champion v{evaluation.champion_version}. " + " ".join(c.sentence for c in order)
