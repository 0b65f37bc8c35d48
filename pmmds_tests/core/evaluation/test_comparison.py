"""The evaluation of champion and challenger: metrics, segments, replay, latency and rejected holdouts."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from pmmds_core.contracts.contract import Contract, FeatureValue
from pmmds_core.errors import EvaluationError
from pmmds_core.evaluation.comparison import CandidateModel, ModelEvaluation, evaluate
from pmmds_core.evaluation.holdout_checks import check_holdout
from pmmds_core.evaluation.segments import MIN_ROWS_A_CLASS, segments_of
from pmmds_core.models.portable_scorer import Row
from pmmds_core.models.scorer_compiler import rows_of
from pmmds_core.reports.evaluation_page import render_evaluation
from pmmds_core.reports.evaluation_text import replay_text, worst_text
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_core.training.model_card import evaluated_card

NOW = datetime(2026, 3, 2, tzinfo=UTC)


class TableScorer:
    """A scorer that returns a given score for each row; `busy` loop iterations make it slower."""

    kind = "table"

    def __init__(self, scores: dict[tuple[FeatureValue, ...], float], busy: int = 0) -> None:
        self._scores, self._busy = scores, busy

    def probability(self, row: Row) -> float:
        for _ in range(self._busy):
            math.sqrt(2.0)
        return self._scores[tuple(row)]

    def probabilities(self, rows: Sequence[Row]) -> list[float]:
        return [self.probability(row) for row in rows]


class Case:
    """Holdout rows with the scores of two models; the challenger ranks fiber customers in reverse."""

    def __init__(self, contract: Contract) -> None:
        frame = traffic_rows(packaged_generator(), contract, 3000, "none", seed=2).frame
        frame = frame.drop_duplicates(list(contract.feature_names)).reset_index(drop=True)
        self.frame = frame
        self.rows = rows_of(frame, contract)
        self.labels = frame[contract.label.name].to_numpy(dtype=np.int64)
        random = np.random.default_rng(3)
        noise = random.normal(0, 0.12, len(frame))
        self.champion_scores = np.clip(0.35 + 0.3 * self.labels + noise, 0, 1)
        self.is_fiber = (frame["internet_service"] == "Fiber optic").to_numpy()
        good = np.clip(0.3 + 0.4 * self.labels + noise, 0, 1)
        self.challenger_scores = np.where(self.is_fiber, 1 - self.champion_scores, good)
        self.segments = segments_of(self.rows, contract)

    def candidate(self, version: str, scores: Any, busy: int = 0) -> CandidateModel:
        table = {row: float(s) for row, s in zip(self.rows, scores, strict=True)}
        return CandidateModel(version, TableScorer(table, busy), True)

    def evaluated(self, *, with_champion: bool = True, n_recent: int = 500) -> ModelEvaluation:
        return evaluate(
            self.candidate("2", self.challenger_scores),
            self.candidate("1", self.champion_scores) if with_champion else None,
            self.rows,
            self.labels,
            primary_metric="roc_auc",
            holdout_kind="production",
            segments=self.segments,
            recent_rows=self.rows[:n_recent],
        )


@pytest.fixture(scope="module")
def case(contract: Contract) -> Case:
    return Case(contract)


@pytest.fixture(scope="module")
def evaluation(case: Case) -> ModelEvaluation:
    return case.evaluated()


def test_metrics_match_the_definitions_of_scikit_learn(case: Case, evaluation: ModelEvaluation) -> None:
    champion, challenger = evaluation.champion_metrics, evaluation.challenger_metrics
    assert champion is not None
    assert champion["roc_auc"] == pytest.approx(roc_auc_score(case.labels, case.champion_scores))
    assert challenger["average_precision"] == pytest.approx(
        average_precision_score(case.labels, case.challenger_scores)
    )
    assert evaluation.challenger_measures is not None
    for name in ("log_loss", "brier_score"):
        found = evaluation.challenger_measures[name]
        assert found["low"] < found["value"] < found["high"]
        assert found["value"] == pytest.approx(challenger[name])
    assert evaluation.challenger_measures["calibration_error"]["by_chance"] > 0


def test_all_segments_are_measured_and_the_worst_one_is_named(case: Case, evaluation: ModelEvaluation) -> None:
    worst = evaluation.worst_segment
    assert worst is not None
    assert (worst["feature"], worst["value"]) == ("internet_service", "Fiber optic")
    fiber, labels = case.is_fiber, case.labels
    assert worst["challenger"] == pytest.approx(roc_auc_score(labels[fiber], case.challenger_scores[fiber]))
    assert worst["champion"] == pytest.approx(roc_auc_score(labels[fiber], case.champion_scores[fiber]))
    assert worst["p_value"] <= worst["q_value"] < 1e-6
    assert "internet_service = Fiber optic" in worst_text(evaluation)
    dsl = next(s for s in evaluation.segments or [] if s["value"] == "DSL")
    assert dsl["difference"] >= 0
    assert dsl["q_value"] > 0.05


def test_segments_with_too_few_rows_are_listed_but_not_measured(case: Case, contract: Contract) -> None:
    rare = np.zeros(len(case.rows), dtype=bool)
    rare[:MIN_ROWS_A_CLASS] = True
    found = evaluate(
        case.candidate("2", case.challenger_scores),
        None,
        case.rows,
        case.labels,
        primary_metric="roc_auc",
        holdout_kind="reference",
        segments={("gender", "rare"): rare},
    )
    assert found.segments == []
    assert [(s["value"], s["n_rows"]) for s in found.small_segments or []] == [("rare", MIN_ROWS_A_CLASS)]
    assert found.worst_segment is None
    assert "No segment had enough rows" in worst_text(found)


def test_missing_values_form_a_segment(contract: Contract) -> None:
    row = tuple(f.typed_example for f in contract.features)
    position = contract.feature_names.index("partner")
    without = (*row[:position], None, *row[position + 1 :])
    found = segments_of([row, without, without], contract)
    assert found["partner", "(missing)"].tolist() == [False, True, True]


def test_replay_counts_changed_predictions(case: Case, evaluation: ModelEvaluation) -> None:
    new, old = case.challenger_scores[:500], case.champion_scores[:500]
    assert evaluation.replay is not None
    assert evaluation.replay["flipped_share"] == pytest.approx(np.mean((new >= 0.5) != (old >= 0.5)))
    assert evaluation.replay["n_to_positive"] == int(((new >= 0.5) & (old < 0.5)).sum())
    assert evaluation.replay["shift"] == pytest.approx(float((new - old).mean()))
    assert evaluation.replay["flipped_low"] < evaluation.replay["flipped_share"] < evaluation.replay["flipped_high"]
    assert sum(b["challenger"] for b in evaluation.replay["bins"]) == pytest.approx(1)


def test_there_is_no_replay_result_without_traffic(case: Case) -> None:
    found = case.evaluated(n_recent=0)
    assert found.replay == {"n_rows": 0}
    assert "no predictions" in replay_text(found)


@pytest.mark.parametrize(("n", "said"), [(1, "There was 1 prediction"), (99, "There were 99 predictions")])
def test_too_few_requests_are_counted_but_not_replayed(case: Case, n: int, said: str) -> None:
    found = case.evaluated(n_recent=n)
    assert found.replay == {"n_rows": n}
    assert replay_text(found).startswith(said)
    assert "%" not in replay_text(found)


def test_the_latency_ratio_detects_a_slower_scorer(case: Case) -> None:
    def ratio(busy: int) -> tuple[float, tuple[float, float]]:
        found = evaluate(
            case.candidate("2", case.challenger_scores, busy),
            case.candidate("1", case.champion_scores, 200),
            case.rows,
            case.labels,
            primary_metric="roc_auc",
            holdout_kind="production",
        )
        assert found.latency_ratio is not None
        assert found.latency_ratio_interval is not None
        return found.latency_ratio, found.latency_ratio_interval

    equal, (low, high) = ratio(200)
    assert low <= equal <= high
    assert 0.8 < equal < 1.25
    slow, (low, _) = ratio(2000)
    assert 5 < low <= slow


def test_only_the_challenger_is_measured_if_there_is_no_champion(case: Case) -> None:
    found = case.evaluated(with_champion=False)
    assert (found.champion_version, found.champion_metrics, found.delong_p_value, found.replay) == (None,) * 4
    assert found.worst_segment is not None
    assert found.worst_segment["champion"] is None


def test_a_score_that_is_not_a_probability_is_rejected(case: Case) -> None:
    broken = case.challenger_scores.copy()
    broken[:3] = np.nan
    with pytest.raises(EvaluationError, match=r"v2 .* 3 of"):
        evaluate(
            case.candidate("2", broken),
            None,
            case.rows,
            case.labels,
            primary_metric="roc_auc",
            holdout_kind="reference",
        )


def holdout(contract: Contract, n_rows: int = 200) -> pd.DataFrame:
    return traffic_rows(packaged_generator(), contract, n_rows, "none", seed=1).frame


def test_a_valid_holdout_is_accepted(contract: Contract) -> None:
    check_holdout(holdout(contract), contract)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(lambda f: f.assign(churn=1), r"a single value in the holdout \(200 rows\)", id="one class"),
        pytest.param(
            lambda f: f.assign(churn=f["churn"].where(f.index > 1)), "2 of 200 .* have no label", id="no label"
        ),
        pytest.param(lambda f: f.assign(churn=f["churn"] + 1), "values other than 0 and 1", id="other labels"),
        pytest.param(lambda f: f.head(12), "are too few; 10 of each class", id="too few"),
        pytest.param(
            lambda f: f.assign(tenure=f["tenure"].astype(float).where(f.index > 2)),
            "tenure in 3 rows",
            id="NaN",
        ),
        pytest.param(
            lambda f: f.assign(contract=f["contract"].where(f.index > 0)),
            "contract in 1 row$|contract in 1 row\\.",
            id="missing text",
        ),
    ],
)
def test_an_insufficient_holdout_is_rejected_with_the_reason(contract: Contract, spoil: Any, said: str) -> None:
    with pytest.raises(EvaluationError, match=said):
        check_holdout(spoil(holdout(contract)), contract)


def test_the_evaluation_page_is_self_contained_and_shows_every_section(evaluation: ModelEvaluation) -> None:
    page = render_evaluation(evaluation, "churn-classifier", NOW)
    assert not re.search(r"(src|href)=[\"']?https?:", page)
    for said in ("PR-AUC", "Brier score", "calibration error", "p worse", "internet_service = Fiber optic", "v1"):
        assert said in page
    assert page.count("<svg") == 3, "two calibration charts and one chart of replayed scores"
    assert page.index("internet_service = Fiber optic</th>") < page.index("internet_service = DSL</th>")


def test_the_evaluation_page_of_a_first_model_states_the_missing_champion(case: Case) -> None:
    assert "no champion" in render_evaluation(case.evaluated(with_champion=False), "m", NOW)


def test_the_model_card_includes_the_evaluation(evaluation: ModelEvaluation) -> None:
    card = evaluated_card("# churn-classifier\n\nWhat it is.\n", evaluation)
    assert card.startswith("# churn-classifier\n\nWhat it is.")
    assert "| ROC-AUC |" in card
    assert "internet_service = Fiber optic" in card


def test_an_evaluation_round_trips_through_json(evaluation: ModelEvaluation) -> None:
    import json

    text = json.dumps(evaluation.to_document(), allow_nan=False)
    again = ModelEvaluation.from_document(json.loads(text))
    assert json.dumps(again.to_document()) == text
