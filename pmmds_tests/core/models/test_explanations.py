"""Feature contributions add up to the prediction and match their definition."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from pmmds_core.contracts.contract import Contract, load_contract
from pmmds_core.data.reader import to_columns
from pmmds_core.errors import NotCompilableError
from pmmds_core.models.explanations import EXACT, PATHS, explain_row, node_means
from pmmds_core.models.pipeline_scorer import wrap_pipeline
from pmmds_core.models.portable_scorer import LogisticScorer, Scorer, Tree
from pmmds_core.models.scorer_compiler import compile_pipeline, probe_rows, rows_of, score_rows
from pmmds_core.profiling.reference_profile import ReferenceProfile, fit_profile
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.training.pipelines import CANDIDATES


@cache
def fitted(name: str) -> tuple[Scorer, ReferenceProfile, pd.DataFrame]:
    """Return a candidate's scorer, the profile of its training rows, and the training rows."""
    contract = load_contract("")
    frame = packaged_generator().sample(1500, seed=4)
    pipeline = CANDIDATES[name](contract, 0).fit(frame[list(contract.feature_names)], frame["churn"])
    scorer = compile_pipeline(pipeline, contract)
    scores = score_rows(scorer, rows_of(frame, contract))
    return scorer, fit_profile(contract, to_columns(frame, contract), scores), frame


@pytest.mark.parametrize(("name", "method"), [("logistic_regression", EXACT), ("hist_gradient_boosting", PATHS)])
def test_contributions_and_baseline_add_up_to_the_prediction(contract: Contract, name: str, method: str) -> None:
    scorer, profile, frame = fitted(name)
    rows = rows_of(pd.concat([frame.head(50), probe_rows(contract, 1, 50)]), contract)
    for row in rows:
        found = explain_row(scorer, profile, row, contract)
        assert found.method == method
        assert found.probability == pytest.approx(scorer.probability(row), abs=1e-12)
        assert sum(c.log_odds for c in found.contributions) + found.baseline == pytest.approx(found.log_odds)
        assert {c.feature for c in found.contributions} == set(contract.feature_names)


@pytest.mark.parametrize("name", ["logistic_regression", "hist_gradient_boosting"])
def test_contributions_average_to_zero_over_the_training_rows(contract: Contract, name: str) -> None:
    scorer, profile, frame = fitted(name)
    totals = [explain_row(scorer, profile, row, contract) for row in rows_of(frame, contract)]
    moved = np.mean([found.log_odds - found.baseline for found in totals])
    assert moved == pytest.approx(0, abs=1e-9)


def test_a_logistic_regression_contribution_is_the_difference_from_the_mean(contract: Contract) -> None:
    scorer, profile, frame = fitted("logistic_regression")
    assert isinstance(scorer, LogisticScorer)
    row = rows_of(frame, contract)[0]
    found = {c.feature: c.log_odds for c in explain_row(scorer, profile, row, contract).contributions}
    position = contract.feature_names.index("contract")
    choice = next(c for c in scorer.categorical if c.index == position)
    mean = frame["contract"].map(choice.coefficients).mean()
    assert found["contract"] == pytest.approx(choice.coefficients[str(row[position])] - mean)


def test_a_node_mean_averages_the_training_rows_that_reached_the_node() -> None:
    tree = Tree((0, -1, -1), (0.5, 0, 0), (True,) * 3, (1, 0, 0), (2, 0, 0), (9.0, 1.0, 3.0), (4, 3, 1))
    assert node_means(tree) == [1.5, 1.0, 3.0]


def test_a_pipeline_without_a_portable_scorer_has_no_contributions(contract: Contract) -> None:
    _, profile, frame = fitted("hist_gradient_boosting")
    with pytest.raises(NotCompilableError, match="scikit_learn_pipeline"):
        explain_row(wrap_pipeline(object(), contract), profile, rows_of(frame, contract)[0], contract)
