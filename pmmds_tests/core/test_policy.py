"""The promotion policy as a table: one row per sentence of it."""

from __future__ import annotations

import pytest

from pmmds_core.evaluation import ModelEvaluation
from pmmds_core.policy import PromotionPolicy, judge


def an_evaluation(
    *,
    improvement: float = 0.0042,
    latency_ratio: float = 0.95,
    validated: bool = True,
    p_value: float = 0.2,
    champion: str | None = "2",
) -> ModelEvaluation:
    old = 0.8414
    return ModelEvaluation(
        challenger_version="3",
        champion_version=champion,
        primary_metric="roc_auc",
        n_holdout_rows=700,
        holdout_kind="production",
        validation_passed=validated,
        challenger_metrics={"roc_auc": old + improvement},
        challenger_interval=(0.82, 0.87),
        challenger_latency_ms=latency_ratio,
        score_table=[],
        champion_metrics=None if champion is None else {"roc_auc": old},
        champion_interval=None,
        champion_latency_ms=1.0,
        latency_ratio=None if champion is None else latency_ratio,
        delong_p_value=None if champion is None else p_value,
    )


@pytest.mark.parametrize(
    ("evaluation", "policy", "promoted"),
    [
        pytest.param(an_evaluation(), PromotionPolicy(), True, id="better, fast enough, validated"),
        pytest.param(an_evaluation(improvement=0.001 + 1e-9), PromotionPolicy(), True, id="just enough better"),
        pytest.param(an_evaluation(improvement=0.0009), PromotionPolicy(), False, id="too little better"),
        pytest.param(an_evaluation(improvement=-0.02), PromotionPolicy(), False, id="worse"),
        pytest.param(an_evaluation(latency_ratio=1.2), PromotionPolicy(), True, id="as slow as is allowed"),
        pytest.param(an_evaluation(latency_ratio=1.21), PromotionPolicy(), False, id="too slow"),
        pytest.param(an_evaluation(validated=False), PromotionPolicy(), False, id="not validated"),
        pytest.param(an_evaluation(p_value=0.4), PromotionPolicy(significance="advisory"), True, id="chance is advice"),
        pytest.param(an_evaluation(p_value=0.4), PromotionPolicy(significance="required"), False, id="chance blocks"),
        pytest.param(an_evaluation(p_value=0.01), PromotionPolicy(significance="required"), True, id="beyond chance"),
        pytest.param(an_evaluation(champion=None), PromotionPolicy(), True, id="the first model needs validation"),
        pytest.param(
            an_evaluation(champion=None, validated=False), PromotionPolicy(), False, id="a first bad one waits"
        ),
    ],
)
def test_every_sentence_of_the_policy_decides_as_it_says(
    evaluation: ModelEvaluation, policy: PromotionPolicy, promoted: bool
) -> None:
    assert judge(evaluation, policy).promoted is promoted


def test_the_reason_is_told_in_the_documented_words() -> None:
    reason = judge(an_evaluation(), PromotionPolicy()).promotion_reason
    assert reason.startswith(
        "Challenger v3 outperforms champion v2. roc_auc: 0.8456 vs 0.8414 (+0.0042). "
        "Validation passed. Latency OK (0.95x)."
    )


def test_a_held_challenger_is_told_what_was_missing() -> None:
    judgement = judge(an_evaluation(improvement=0.0002, latency_ratio=1.5), PromotionPolicy())
    assert "at least +0.001 is needed" in judgement.promotion_reason
    assert "at most 1.20x is allowed" in judgement.promotion_reason
    assert [c.name for c in judgement.criteria if c.blocking and not c.passed] == ["improvement", "latency"]


def test_an_evaluation_survives_its_document() -> None:
    evaluation = an_evaluation()
    assert ModelEvaluation.from_document(evaluation.to_document()) == evaluation
