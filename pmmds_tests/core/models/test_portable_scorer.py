"""The portable scorer and the trained pipeline give equal probabilities, even for unseen values."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmmds_core.contracts.contract import Contract, Feature, load_contract
from pmmds_core.errors import ArtifactCorruptError, NotCompilableError
from pmmds_core.models.portable_scorer import AnyScorer, dump_scorer, load_scorer
from pmmds_core.models.scorer_compiler import (
    ESTIMATOR,
    PREPROCESS,
    compile_pipeline,
    largest_difference,
    probe_rows,
    rows_of,
)
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.training.candidate_choice import CandidateScore, choose
from pmmds_core.training.pipelines import CANDIDATES, N_FOLDS, one_thread, train

CONTRACT = load_contract("")


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one boosting thread: with other tests on the same cores, several threads take 47 s instead of a few."""
    with one_thread():
        yield


@cache
def fitted(name: str) -> tuple[Any, AnyScorer]:
    frame = packaged_generator().sample(1500, seed=11)
    pipeline = CANDIDATES[name](CONTRACT, 3).fit(frame[list(CONTRACT.feature_names)], frame["churn"])
    return pipeline, compile_pipeline(pipeline, CONTRACT)


def cell(feature: Feature) -> st.SearchStrategy[Any]:
    """Return a strategy for feature values: allowed, at the bounds, missing and, if categorical, unknown."""
    if not feature.is_numeric:
        return st.sampled_from([*feature.all_values, "unheard of", None])
    assert feature.minimum is not None
    assert feature.maximum is not None
    if feature.type == "integer":
        return st.none() | st.integers(int(feature.minimum), int(feature.maximum))
    return st.none() | st.floats(feature.minimum, feature.maximum, allow_nan=False)


def frame_of(row: tuple[Any, ...], contract: Contract) -> pd.DataFrame:
    frame = pd.DataFrame([row], columns=list(contract.feature_names))
    return frame.astype(dict.fromkeys(contract.numeric_names, "float64"))


@pytest.mark.parametrize("name", sorted(CANDIDATES))
@given(row=st.tuples(*(cell(f) for f in CONTRACT.features)))
@settings(max_examples=150)
def test_the_portable_scorer_and_the_pipeline_agree_on_any_row(name: str, row: tuple[Any, ...]) -> None:
    pipeline, scorer = fitted(name)
    expected = pipeline.predict_proba(frame_of(row, CONTRACT))[0, 1]
    assert scorer.probability(row) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", sorted(CANDIDATES))
def test_a_scorer_round_trips_through_json(name: str) -> None:
    _, scorer = fitted(name)
    raw = dump_scorer(scorer)
    again = load_scorer(raw)
    assert again.kind == name
    frame = probe_rows(CONTRACT, seed=5)
    assert [again.probability(r) for r in rows_of(frame, CONTRACT)] == [
        scorer.probability(r) for r in rows_of(frame, CONTRACT)
    ]


def test_a_scorer_that_differs_from_the_pipeline_is_detected() -> None:
    pipeline, _ = fitted("logistic_regression")
    _, other = fitted("hist_gradient_boosting")
    assert largest_difference(pipeline, other, probe_rows(CONTRACT, 1), CONTRACT) > 1e-3


def test_the_error_for_an_estimator_without_a_portable_scorer_names_it() -> None:
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import Pipeline

    with pytest.raises(NotCompilableError, match="GaussianNB"):
        compile_pipeline(Pipeline([(PREPROCESS, "passthrough"), (ESTIMATOR, GaussianNB())]), CONTRACT)


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"kind": "magic"}', b"[1,2"])
def test_json_that_is_not_a_scorer_is_rejected(raw: bytes) -> None:
    with pytest.raises(ArtifactCorruptError):
        load_scorer(raw)


def test_training_with_the_same_data_and_seed_gives_the_same_scorer() -> None:
    frame = packaged_generator().sample(1200, seed=2)
    first, second = (dump_scorer(compile_pipeline(train(frame, CONTRACT, 5).pipeline, CONTRACT)) for _ in range(2))
    assert first == second


def a_score(name: str, auc: float, deviation: float) -> CandidateScore:
    return CandidateScore(name, auc, deviation, (auc,) * N_FOLDS, np.empty(0))


def test_the_simpler_candidate_is_chosen_within_one_standard_error() -> None:
    simple, complicated = a_score("simple", 0.845, 0.012), a_score("complicated", 0.847, 0.012)
    assert choose([simple, complicated]).name == "simple"
    assert choose([a_score("simple", 0.80, 0.012), complicated]).name == "complicated"
