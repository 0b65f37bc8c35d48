"""Whether a challenger is promoted: one pure function, and the words it is told in.

Add a criterion here. Keep out: measuring (evaluation.py) and acting (promotion.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pmmds_core.evaluation import ModelEvaluation

SIGNIFICANCE_LEVEL = 0.05


@dataclass(frozen=True)
class PromotionPolicy:
    """Thresholds of the criteria. `significance`: `advisory` shows the DeLong test, `required` demands it."""

    min_improvement: float = 0.001
    max_latency_ratio: float = 1.2
    significance: Literal["advisory", "required"] = "advisory"


@dataclass(frozen=True)
class Criterion:
    """One sentence of a judgement. A criterion that is not `blocking` is shown and does not decide."""

    name: str
    passed: bool
    blocking: bool
    sentence: str


@dataclass(frozen=True)
class PromotionJudgement:
    """The answer, with every criterion and the reason in words."""

    promoted: bool
    primary_metric_improvement: float | None
    promotion_reason: str
    criteria: tuple[Criterion, ...]

    def to_document(self) -> dict[str, Any]:
        return {
            "promoted": self.promoted,
            "primary_metric_improvement": self.primary_metric_improvement,
            "promotion_reason": self.promotion_reason,
            "criteria": [vars(c) for c in self.criteria],
        }


def judge(evaluation: ModelEvaluation, policy: PromotionPolicy) -> PromotionJudgement:
    """Judge what was measured. The first model has no champion and needs validation only."""
    criteria = [_validation(evaluation)]
    if evaluation.champion_version is not None:
        criteria += [_improvement(evaluation, policy), _latency(evaluation, policy), _significance(evaluation, policy)]
    promoted = all(c.passed for c in criteria if c.blocking)
    return PromotionJudgement(
        promoted, evaluation.primary_metric_improvement, _reason(evaluation, criteria, promoted), tuple(criteria)
    )


def _validation(evaluation: ModelEvaluation) -> Criterion:
    passed = evaluation.validation_passed
    sentence = "Validation passed." if passed else "Validation did not pass or was skipped."
    return Criterion("validation", passed, True, sentence)


def _improvement(evaluation: ModelEvaluation, policy: PromotionPolicy) -> Criterion:
    assert evaluation.champion_metrics is not None
    name = evaluation.primary_metric
    new, old = evaluation.challenger_metrics[name], evaluation.champion_metrics[name]
    passed = new - old >= policy.min_improvement
    needed = "" if passed else f"; at least +{policy.min_improvement:g} is needed"
    return Criterion("improvement", passed, True, f"{name}: {new:.4f} vs {old:.4f} ({new - old:+.4f}{needed}).")


def _latency(evaluation: ModelEvaluation, policy: PromotionPolicy) -> Criterion:
    assert evaluation.latency_ratio is not None
    ratio = evaluation.latency_ratio
    passed = ratio <= policy.max_latency_ratio
    sentence = f"Latency OK ({ratio:.2f}x)." if passed else _too_slow(ratio, policy)
    return Criterion("latency", passed, True, sentence)


def _too_slow(ratio: float, policy: PromotionPolicy) -> str:
    return f"Latency too high ({ratio:.2f}x; at most {policy.max_latency_ratio:.2f}x is allowed)."


def _significance(evaluation: ModelEvaluation, policy: PromotionPolicy) -> Criterion:
    assert evaluation.delong_p_value is not None
    p = evaluation.delong_p_value
    passed = p < SIGNIFICANCE_LEVEL
    known = "better beyond chance" if passed else "could be chance"
    role = "required" if policy.significance == "required" else "advisory"
    sentence = f"DeLong p = {p:.4f}, {known} ({role})."
    return Criterion("significance", passed, policy.significance == "required", sentence)


def _reason(evaluation: ModelEvaluation, criteria: list[Criterion], promoted: bool) -> str:
    challenger = f"Challenger v{evaluation.challenger_version}"
    if evaluation.champion_version is None:
        verdict = "is the first model" if promoted else "is the first model and is held back"
        return f"{challenger} {verdict}. {criteria[0].sentence}"
    verb = "outperforms" if promoted else "is not put in the place of"
    order = sorted(criteria, key=lambda c: ("improvement", "validation", "latency", "significance").index(c.name))
    return f"{challenger} {verb} champion v{evaluation.champion_version}. " + " ".join(c.sentence for c in order)
