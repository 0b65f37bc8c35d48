"""Choosing a candidate pipeline with and without a latency limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.models.scorer_compiler import compile_pipeline
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.training.candidate_choice import CandidateScore, choose
from pmmds_core.training.pipelines import CANDIDATES, train
from pmmds_core.training.release import LatencyBudget


def score(name: str, aucs: Sequence[float]) -> CandidateScore:
    return CandidateScore(name, float(np.mean(aucs)), float(np.std(aucs)), tuple(aucs), np.empty(0))


def test_the_simplest_candidate_within_one_standard_error_is_chosen() -> None:
    simple, complicated = score("simple", [0.84, 0.85, 0.84]), score("complicated", [0.82, 0.87, 0.85])
    assert choose([simple, complicated]).name == "simple"


def test_a_complex_candidate_that_is_clearly_better_is_chosen() -> None:
    simple, complicated = score("simple", [0.70, 0.71, 0.70]), score("complicated", [0.84, 0.85, 0.84])
    assert choose([simple, complicated]).name == "complicated"


@pytest.fixture(scope="module")
def frame(contract: Contract) -> pd.DataFrame:
    """Return rows whose label depends on an interaction, so that boosting is clearly better."""
    rows = packaged_generator().sample(1500, 3)
    either = (rows["tenure"] > rows["tenure"].median()) ^ (rows["monthly_charges"] > rows["monthly_charges"].median())
    return rows.assign(**{contract.label.name: either.astype(int)})


def test_latency_is_ignored_if_there_is_no_champion(frame: pd.DataFrame, contract: Contract) -> None:
    trained = train(frame, contract, 1)
    assert (trained.name, trained.too_slow) == ("hist_gradient_boosting", ())


def test_a_candidate_over_the_latency_limit_is_rejected(frame: pd.DataFrame, contract: Contract) -> None:
    champion = compile_pipeline(fit("logistic_regression", frame, contract), contract)
    budget = LatencyBudget(champion, max_ratio=2.0)
    trained = train(frame, contract, 1, lambda pipeline: budget.allows(pipeline, contract, frame))
    assert (trained.name, trained.too_slow) == ("logistic_regression", ("hist_gradient_boosting",))


def test_the_best_candidate_is_trained_if_all_candidates_are_too_slow(frame: pd.DataFrame, contract: Contract) -> None:
    trained = train(frame, contract, 1, lambda _: False)
    assert (trained.name, trained.too_slow) == ("hist_gradient_boosting", ())


def fit(name: str, frame: pd.DataFrame, contract: Contract) -> Any:
    return CANDIDATES[name](contract, 1).fit(frame[list(contract.feature_names)], frame[contract.label.name])
