"""From a fitted scikit-learn pipeline to a portable scorer, with the proof that the two agree.

Add a compiler for each estimator that training can choose. Keep out: scoring itself (portable_scorer.py).
Everything private to scikit-learn that is read (the trees of HistGradientBoosting) is read here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pmmds_core.contracts.contract import Contract, FeatureValue
from pmmds_core.errors import NotCompilableError
from pmmds_core.models.portable_scorer import (
    AnyScorer,
    BoostingScorer,
    CategoryCodes,
    LinearCategorical,
    LinearNumeric,
    LogisticScorer,
    Scorer,
    Tree,
)

if TYPE_CHECKING:
    import pandas as pd

# Steps of the pipelines that training/pipelines.py builds.
PREPROCESS, NUMERIC, CATEGORICAL, ESTIMATOR = "preprocess", "numeric", "categorical", "estimator"
PARITY_TOLERANCE = 1e-12


def compile_pipeline(pipeline: Any, contract: Contract) -> AnyScorer:
    """The portable scorer of a fitted pipeline.

    Raises:
        NotCompilableError: the estimator is not one that a scorer exists for.
    """
    estimator = getattr(pipeline, "named_steps", {}).get(ESTIMATOR, pipeline)
    compilers = {"LogisticRegression": _compile_logistic, "HistGradientBoostingClassifier": _compile_boosting}
    compiler = compilers.get(type(estimator).__name__)
    if compiler is None:
        raise NotCompilableError(
            f"There is no portable scorer for {type(estimator).__name__}; "
            f"there are some for {', '.join(sorted(compilers))}."
        )
    return compiler(pipeline.named_steps[PREPROCESS], estimator, contract)


def _compile_logistic(preprocess: Any, estimator: Any, contract: Contract) -> AnyScorer:
    position = {name: i for i, name in enumerate(contract.feature_names)}
    coefficients = [float(c) for c in estimator.coef_[0]]
    numeric, offset = [], 0
    for name, mean, scale, impute in _scaling(preprocess, contract):
        numeric.append(LinearNumeric(position[name], impute, mean, scale, coefficients[offset]))
        offset += 1
    categorical = []
    for name, values in _categories(preprocess, contract):
        weights = coefficients[offset : offset + len(values)]
        categorical.append(LinearCategorical(position[name], dict(zip(values, weights, strict=True))))
        offset += len(values)
    return LogisticScorer(float(estimator.intercept_[0]), tuple(numeric), tuple(categorical))


def _scaling(preprocess: Any, contract: Contract) -> list[tuple[str, float, float, float]]:
    """(feature, mean, scale, value for a missing one) per numeric feature."""
    if not contract.numeric_names:
        return []
    steps = preprocess.named_transformers_[NUMERIC].named_steps
    medians, scaler = steps["impute"].statistics_, steps["scale"]
    rows = zip(contract.numeric_names, scaler.mean_, scaler.scale_, medians, strict=True)
    return [(name, float(mean), float(scale), float(median)) for name, mean, scale, median in rows]


def _categories(preprocess: Any, contract: Contract) -> list[tuple[str, list[str]]]:
    if not contract.categorical_names:
        return []
    fitted = preprocess.named_transformers_[CATEGORICAL].categories_
    return [(name, [str(v) for v in values]) for name, values in zip(contract.categorical_names, fitted, strict=True)]


def _compile_boosting(preprocess: Any, estimator: Any, contract: Contract) -> AnyScorer:
    position = {name: i for i, name in enumerate(contract.feature_names)}
    codes = [
        CategoryCodes(position[name], {value: float(code) for code, value in enumerate(values)})
        for name, values in _categories(preprocess, contract)
    ]
    return BoostingScorer(
        baseline=float(np.ravel(estimator._baseline_prediction)[0]),
        numeric=tuple(position[name] for name in contract.numeric_names),
        categorical=tuple(codes),
        trees=tuple(_tree(predictors[0].nodes) for predictors in estimator._predictors),
    )


def _tree(nodes: Any) -> Tree:
    if nodes["is_categorical"].any():
        raise NotCompilableError("A boosted tree with categorical splits has no portable scorer.")
    is_leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        feature=tuple(int(f) for f in np.where(is_leaf, -1, nodes["feature_idx"])),
        threshold=tuple(float(t) for t in np.where(is_leaf, 0.0, np.minimum(nodes["num_threshold"], 1e308))),
        missing_left=tuple(bool(m) for m in nodes["missing_go_to_left"]),
        left=tuple(int(n) for n in nodes["left"]),
        right=tuple(int(n) for n in nodes["right"]),
        value=tuple(float(v) for v in nodes["value"]),
        n_rows=tuple(int(n) for n in nodes["count"]),
    )


def rows_of(frame: pd.DataFrame, contract: Contract) -> list[tuple[FeatureValue, ...]]:
    """The rows of a frame as the scorer takes them: the contract's order, None for a missing value."""
    columns = []
    for feature in contract.features:
        values = frame[feature.name].tolist()
        columns.append([None if v is None or v != v else feature_cast(v, feature.type) for v in values])
    return list(zip(*columns, strict=True))


def feature_cast(value: Any, kind: str) -> FeatureValue:
    """A cell as the plain Python type of its feature."""
    if kind == "integer":
        return int(value)
    return float(value) if kind == "float" else str(value)


def score_rows(scorer: Scorer, rows: Sequence[Sequence[FeatureValue]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(n,) probabilities of (n, features) rows."""
    return np.array(scorer.probabilities(rows), dtype=np.float64)


def largest_difference(pipeline: Any, scorer: Scorer, frame: pd.DataFrame, contract: Contract) -> float:
    """How far pipeline and scorer are apart on `frame`, at most, as a difference of probabilities."""
    expected = pipeline.predict_proba(frame[list(contract.feature_names)])[:, 1]
    return float(np.max(np.abs(expected - score_rows(scorer, rows_of(frame, contract))), initial=0.0))


def probe_rows(contract: Contract, seed: int, n_rows: int = 256, *, only_valid: bool = False) -> pd.DataFrame:
    """Rows that training data seldom has: bounds, values just beside them, missing and unknown ones.

    `only_valid`: no unknown values, and missing ones only where the contract allows them.
    """
    import pandas as pd

    random = np.random.default_rng(seed)
    columns: dict[str, Any] = {}
    for feature in contract.features:
        if feature.is_numeric:
            low = feature.minimum if feature.minimum is not None else -1e6
            high = feature.maximum if feature.maximum is not None else 1e6
            choices = np.array([low, high, np.nextafter(low, high), (low + high) / 2])
            if feature.is_nullable or not only_valid:
                choices = np.append(choices, np.nan)
            drawn = np.where(
                random.random(n_rows) < 0.5, random.choice(choices, n_rows), random.uniform(low, high, n_rows)
            )
            columns[feature.name] = np.round(drawn) if feature.type == "integer" else drawn
        else:
            odd = [] if only_valid else ["a value nobody has seen"]
            missing = [None] if feature.is_nullable or not only_valid else []
            values = np.array([*feature.all_values, *odd, *missing], dtype=object)
            columns[feature.name] = random.choice(values, n_rows)
    return pd.DataFrame(columns)
