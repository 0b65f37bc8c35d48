"""Compares candidate pipelines by cross-validation and fits the best one on all training rows.

Preprocessing is part of the pipeline, so no step is fitted on held-out rows. Add a candidate to `CANDIDATES` and
its compiler to models/scorer_compiler.py. Not here: choosing rows (split.py), the registry (stores).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import TrainingError
from pmmds_core.models.scorer_compiler import CATEGORICAL, ESTIMATOR, NUMERIC, PREPROCESS

if TYPE_CHECKING:
    import pandas as pd

N_FOLDS = 5
Build = Callable[[Contract, int], Any]


@dataclass(frozen=True)
class CandidateScore:
    """The cross-validated ROC-AUC of one candidate, as the mean and the standard deviation over the folds.

    `out_of_fold` has the probability of each training row from the model that was not fitted on that row, with shape
    (n,).
    """

    name: str
    roc_auc: float
    roc_auc_deviation: float
    fold_roc_aucs: tuple[float, ...]
    out_of_fold: NDArray[np.float64] = field(repr=False, compare=False)


@dataclass(frozen=True)
class TrainedPipeline:
    """The chosen candidate, fitted on all training rows.

    `too_slow` has better candidates that were rejected for their latency.
    """

    name: str
    pipeline: Any
    scores: tuple[CandidateScore, ...]
    n_rows: int
    params: Mapping[str, Any]
    too_slow: tuple[str, ...] = ()

    @property
    def chosen(self) -> CandidateScore:
        return next(s for s in self.scores if s.name == self.name)


def logistic_regression(contract: Contract, seed: int) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numeric = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", StandardScaler())])
    encoder = OneHotEncoder(categories=_categories(contract), handle_unknown="ignore", sparse_output=False)
    estimator = LogisticRegression(max_iter=2000, C=1.0, random_state=seed)
    return Pipeline([(PREPROCESS, _columns(contract, numeric, encoder)), (ESTIMATOR, estimator)])


def hist_gradient_boosting(contract: Contract, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    encoder = OrdinalEncoder(categories=_categories(contract), handle_unknown="use_encoded_value", unknown_value=np.nan)
    # Trees split ordinal codes as numbers, which keeps the trees simple. The effect is measured by cross-validation.
    estimator = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=120,
        max_leaf_nodes=12,
        min_samples_leaf=30,
        l2_regularization=1.0,
        early_stopping=False,
        categorical_features=None,
        random_state=seed,
    )
    return Pipeline([(PREPROCESS, _columns(contract, "passthrough", encoder)), (ESTIMATOR, estimator)])


# The simplest and fastest candidate is first, because `choose` prefers the first of equally good candidates.
CANDIDATES: Mapping[str, Build] = {
    "logistic_regression": logistic_regression,
    "hist_gradient_boosting": hist_gradient_boosting,
}


def _categories(contract: Contract) -> list[list[str]]:
    return [list(f.all_values) for f in contract.features if not f.is_numeric]


def _columns(contract: Contract, numeric: Any, categorical: Any) -> Any:
    from sklearn.compose import ColumnTransformer

    steps = [
        (NUMERIC, numeric, list(contract.numeric_names)),
        (CATEGORICAL, categorical, list(contract.categorical_names)),
    ]
    return ColumnTransformer([step for step in steps if step[2]], verbose_feature_names_out=False)


def any_speed(_: Any) -> bool:
    """Return True, because no latency limit applies without a champion."""
    return True


def train(
    frame: pd.DataFrame,
    contract: Contract,
    seed: int,
    is_fast_enough: Callable[[Any], bool] = any_speed,
    candidates: Mapping[str, Build] = CANDIDATES,
) -> TrainedPipeline:
    """Compare the candidates on `frame` and fit the best candidate that is fast enough.

    If no candidate is fast enough, the best one is fitted.

    Args:
        frame: the contract's features, and the label as 0 or 1.
        contract: names the columns.
        seed: the seed of the folds and estimators. Equal data and seeds give equal models.
        is_fast_enough: returns True if a fitted pipeline meets the latency limit.
        candidates: maps names to functions of contract and seed that return an unfitted pipeline, simplest first.

    Raises:
        TrainingError: a class has too few rows for cross-validation.
    """
    labels = frame[contract.label.name].to_numpy(dtype=np.int64)
    features = frame[list(contract.feature_names)]
    _check_classes(labels, contract)
    with one_thread():
        scores = tuple(
            _cross_validate(name, build, features, labels, contract, seed) for name, build in candidates.items()
        )
        fitted = []
        for score in _ranked(scores):
            fitted.append((score, candidates[score.name](contract, seed).fit(features, labels)))
            if is_fast_enough(fitted[-1][1]):
                break
        else:
            del fitted[1:]
    best, pipeline = fitted[-1]
    too_slow = tuple(s.name for s, _ in fitted[:-1])
    return TrainedPipeline(best.name, pipeline, scores, len(frame), _params(pipeline, best.name, seed), too_slow)


def _ranked(scores: Sequence[CandidateScore]) -> list[CandidateScore]:
    """Return the candidates in the order in which repeated calls of `choose` select them."""
    remaining, ranked = list(scores), []
    while remaining:
        ranked.append(choose(remaining))
        remaining = [s for s in remaining if s.name != ranked[-1].name]
    return ranked


@contextmanager
def one_thread() -> Iterator[None]:
    """Run scikit-learn on one thread.

    A fixed order of summation gives the same digest on any number of cores. In addition, threads that compete with
    other processes made boosting four to ten times slower.
    """
    # Only loaded libraries can be limited, and candidates import their libraries when they are built.
    import importlib

    from threadpoolctl import threadpool_limits

    importlib.import_module("sklearn.ensemble")
    with threadpool_limits(1):
        yield


def choose(scores: Sequence[CandidateScore]) -> CandidateScore:
    """Return the first candidate within one standard error of the best mean.

    The first candidate is the simplest and fastest. This is the one-standard-error rule of Breiman et al.,
    Classification and Regression Trees (1984), section 3.4.3.
    """
    best = max(scores, key=lambda s: s.roc_auc)
    margin = best.roc_auc_deviation / np.sqrt(len(best.fold_roc_aucs))
    return next(s for s in scores if s.roc_auc >= best.roc_auc - margin)


def _check_classes(labels: Any, contract: Contract) -> None:
    positive, negative = int((labels == 1).sum()), int((labels == 0).sum())
    if min(positive, negative) < N_FOLDS:
        raise TrainingError(
            f"Training needs at least {N_FOLDS} rows of each class of {contract.label.name}, but there are {positive} "
            f"positive and {negative} negative.",
            next_step="Provide more labeled rows.",
        )


def _cross_validate(
    name: str, build: Build, features: pd.DataFrame, labels: Any, contract: Contract, seed: int
) -> CandidateScore:
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(n_splits=N_FOLDS, shuffle=True, random_state=seed)
    scores = np.empty(len(labels))
    aucs = []
    for fitted_on, scored in folds.split(features, labels):
        pipeline = build(contract, seed).fit(features.iloc[fitted_on], labels[fitted_on])
        scores[scored] = pipeline.predict_proba(features.iloc[scored])[:, 1]
        aucs.append(float(roc_auc_score(labels[scored], scores[scored])))
    return CandidateScore(name, float(np.mean(aucs)), float(np.std(aucs)), tuple(aucs), scores)


def _params(pipeline: Any, name: str, seed: int) -> dict[str, Any]:
    chosen = getattr(pipeline, "named_steps", {}).get(ESTIMATOR, pipeline).get_params()
    simple = {k: v for k, v in chosen.items() if isinstance(v, int | float | str | bool)}
    return {"candidate": name, "seed": seed, "n_folds": N_FOLDS, **simple}
