"""The promotion policy: one test case per rule."""

from __future__ import annotations

from typing import Any

import pytest

from pmmds_cli.output.criteria_table import criteria_lines
from pmmds_core.evaluation.comparison import ModelEvaluation
from pmmds_core.policies.promotion import PromotionPolicy, judge


def an_evaluation(
    *,
    improvement: float = 0.0042,
    latency_ratio: float = 0.95,
    validated: bool = True,
    p_value: float = 0.2,
    champion: str | None = "2",
    segments: list[dict[str, Any]] | None = None,
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
        segments=segments,
    )


def a_segment(difference: float | None, q_value: float = 0.001) -> dict[str, Any]:
    return {"feature": "contract", "value": "Two year", "difference": difference, "q_value": q_value}


FORBIDS = PromotionPolicy(forbid_worse_segment=True, segment_margin=0.02)


@pytest.mark.parametrize(
    ("evaluation", "policy", "promoted"),
    [
        pytest.param(an_evaluation(), PromotionPolicy(), True, id="better, fast enough and validated"),
        pytest.param(
            an_evaluation(improvement=0.001 + 1e-9), PromotionPolicy(), True, id="improvement just large enough"
        ),
        pytest.param(an_evaluation(improvement=0.0009), PromotionPolicy(), False, id="improvement too small"),
        pytest.param(an_evaluation(improvement=-0.02), PromotionPolicy(), False, id="worse"),
        pytest.param(an_evaluation(latency_ratio=1.2), PromotionPolicy(), True, id="latency at the limit"),
        pytest.param(an_evaluation(latency_ratio=1.21), PromotionPolicy(), False, id="too slow"),
        pytest.param(an_evaluation(validated=False), PromotionPolicy(), False, id="not validated"),
        pytest.param(
            an_evaluation(p_value=0.4),
            PromotionPolicy(significance="advisory"),
            True,
            id="advisory significance does not block",
        ),
        pytest.param(
            an_evaluation(p_value=0.4),
            PromotionPolicy(significance="required"),
            False,
            id="required significance blocks",
        ),
        pytest.param(
            an_evaluation(p_value=0.01), PromotionPolicy(significance="required"), True, id="significant improvement"
        ),
        pytest.param(an_evaluation(champion=None), PromotionPolicy(), True, id="the first model needs validation"),
        pytest.param(
            an_evaluation(champion=None, validated=False),
            PromotionPolicy(),
            False,
            id="an unvalidated first model is not promoted",
        ),
        pytest.param(
            an_evaluation(segments=[a_segment(-0.1)]),
            PromotionPolicy(),
            True,
            id="a worse segment is advisory by default",
        ),
        pytest.param(
            an_evaluation(segments=[a_segment(-0.1)]), FORBIDS, False, id="a worse segment blocks if configured"
        ),
        pytest.param(
            an_evaluation(segments=[a_segment(0.1), a_segment(-0.021)]),
            FORBIDS,
            False,
            id="one worse segment is enough",
        ),
        pytest.param(an_evaluation(segments=[a_segment(-0.02)]), FORBIDS, True, id="worse within the margin"),
        pytest.param(
            an_evaluation(segments=[a_segment(-0.1, q_value=0.05)]),
            FORBIDS,
            True,
            id="an insignificantly worse segment",
        ),
        pytest.param(an_evaluation(segments=[a_segment(0.1)]), FORBIDS, True, id="a better segment"),
        pytest.param(an_evaluation(segments=[]), FORBIDS, False, id="segments that were not evaluated block"),
        pytest.param(
            an_evaluation(segments=[]), PromotionPolicy(), True, id="unevaluated segments are advisory by default"
        ),
        pytest.param(
            an_evaluation(champion=None, segments=[a_segment(None)]), FORBIDS, True, id="no champion, no worse segment"
        ),
        pytest.param(an_evaluation(p_value=0.05), PromotionPolicy(significance="required"), False, id="p at the level"),
        pytest.param(
            an_evaluation(improvement=-0.02, p_value=0.01),
            PromotionPolicy(significance="required"),
            False,
            id="significance does not replace improvement",
        ),
        pytest.param(
            an_evaluation(improvement=0.0042),
            PromotionPolicy(min_improvement=0.01),
            False,
            id="a higher configured improvement",
        ),
        pytest.param(
            an_evaluation(latency_ratio=1.9),
            PromotionPolicy(max_latency_ratio=2.0),
            True,
            id="a higher configured latency ratio",
        ),
    ],
)
def test_each_rule_of_the_promotion_policy_gives_the_expected_verdict(
    evaluation: ModelEvaluation, policy: PromotionPolicy, promoted: bool
) -> None:
    assert judge(evaluation, policy).promoted is promoted


def test_the_promotion_reason_has_the_documented_text() -> None:
    reason = judge(an_evaluation(), PromotionPolicy()).promotion_reason
    assert reason.startswith(
        "Challenger v3 outperforms champion v2. roc_auc: 0.8456 vs 0.8414 (+0.0042). "
        "Validation passed. Latency OK (0.95x)."
    )


def test_the_reason_of_a_held_challenger_names_the_failed_criteria() -> None:
    judgment = judge(an_evaluation(improvement=0.0002, latency_ratio=1.5), PromotionPolicy())
    assert "+0.001" in judgment.promotion_reason
    assert "1.2x" in judgment.promotion_reason
    assert [c.name for c in judgment.criteria if c.blocking and not c.passed] == ["improvement", "latency"]


def test_a_near_miss_is_not_rounded_to_the_threshold() -> None:
    judgment = judge(an_evaluation(improvement=0.00096, latency_ratio=1.2004), PromotionPolicy())
    assert "(+0.00096;" in judgment.promotion_reason
    assert "(1.2004x;" in judgment.promotion_reason
    assert "0.000960" in criteria_lines(judgment.to_document())[2]
    even = judge(an_evaluation(improvement=0.0), PromotionPolicy(min_improvement=0.0)).promotion_reason
    assert "(+0.0000)" in even


def test_the_promotion_reason_names_the_worst_segment_within_the_margin() -> None:
    judgment = judge(an_evaluation(segments=[a_segment(-0.015)]), FORBIDS)
    assert "lowest where contract = Two year (-0.0150" in judgment.promotion_reason


def test_every_criterion_is_listed_with_its_value_and_threshold_and_verdict() -> None:
    judgment = judge(an_evaluation(improvement=0.0002, segments=[a_segment(-0.03)]), FORBIDS)
    listed = {c["name"]: c for c in judgment.to_document()["criteria"]}
    assert list(listed) == ["validation", "improvement", "latency", "significance", "segments"]
    fields = {name: (c["value"], c["threshold"], c["verdict"], c["blocking"]) for name, c in listed.items()}
    assert fields["validation"] == ("passed", "= passed", "met", True)
    assert fields["improvement"] == (pytest.approx(0.0002), "≥ 0.001", "not met", True)
    assert fields["latency"] == (0.95, "≤ 1.2", "met", True)
    assert fields["significance"] == (0.2, "< 0.05", "not met", False)
    assert fields["segments"] == (-0.03, "≥ -0.02, or chance (q ≥ 0.05)", "not met", True)
    assert "Worse where contract = Two year (-0.0300" in judgment.promotion_reason


def test_a_p_value_is_never_shown_as_zero() -> None:
    judgment = judge(an_evaluation(p_value=3e-9), PromotionPolicy())
    assert "DeLong p < 0.0001," in judgment.promotion_reason
    assert "3e-09" in criteria_lines(judgment.to_document())[4]


def test_a_criterion_that_was_not_evaluated_is_neither_met_nor_missed() -> None:
    judgment = judge(an_evaluation(segments=[]), FORBIDS)
    assert [c.verdict for c in judgment.criteria if c.name == "segments"] == ["not evaluated"]


def test_the_criteria_table_has_a_line_for_each_criterion() -> None:
    lines = criteria_lines(judge(an_evaluation(segments=[a_segment(-0.03)]), FORBIDS).to_document())
    assert lines[0].split() == ["criterion", "value", "threshold", "verdict", "decides"]
    assert [line.split()[0] for line in lines[1:]] == [
        "validation",
        "improvement",
        "latency",
        "significance",
        "segments",
    ]
    assert "0.2000" in lines[4]
    assert lines[4].endswith("advice")


def test_a_criterion_without_a_value_is_listed_with_dashes() -> None:
    lines = criteria_lines({"criteria": [{"name": "latency", "passed": True, "blocking": True, "sentence": "OK."}]})
    assert lines[1].split() == ["latency", "–", "–", "met", "yes"]
    assert criteria_lines({"kind": "manual"}) == []


def test_an_evaluation_round_trips_through_its_document() -> None:
    evaluation = an_evaluation()
    assert ModelEvaluation.from_document(evaluation.to_document()) == evaluation
