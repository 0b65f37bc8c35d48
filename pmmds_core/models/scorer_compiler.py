"""Compiles a fitted scikit-learn pipeline to a portable scorer and measures the difference between the two.

Add a compiler for each estimator that training can choose. Not here: scoring (portable_scorer.py),
scikit-learn's private attributes (sklearn_trees.py).
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
)
from pmmds_core.models.sklearn_trees import baseline_of, trees_of

if TYPE_CHECKING:
    import pandas as pd

# The names of the pipeline steps in training/pipelines.py.
PREPROCESS, NUMERIC, CATEGORICAL, ESTIMATOR = "preprocess", "numeric", "categorical", "estimator"
PARITY_TOLERANCE = 1e-12


def compile_pipeline(pipeline: Any, contract: Contract) -> AnyScorer:
    """Compile a fitted pipeline to a portable scorer.

    Raises:
        NotCompilableError: no portable scorer exists for the estimator.
    """
    estimator = getattr(pipeline, "named_steps", {}).get(ESTIMATOR, pipeline)
    compilers = {"LogisticRegression": _compile_logistic, "HistGradientBoostingClassifier": _compile_boosting}
    compiler = compilers.get(type(estimator).__name__)
    if compiler is None:
        raise NotCompilableError(
            f"There is no portable scorer for {type(estimator).__name__}. Supported estimators: "
            f"{', '.join(sorted(compilers))}."
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
    """Return the feature, mean, scale and imputed value for each numeric feature."""
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
        baseline=baseline_of(estimator),
        numeric=tuple(position[name] for name in contract.numeric_names),
        categorical=tuple(codes),
        trees=trees_of(estimator),
    )


def rows_of(frame: pd.DataFrame, contract: Contract) -> list[tuple[FeatureValue, ...]]:
    """Return the input of the scorer, which is tuples in the contract's feature order with None for a missing value."""
    columns = []
    for feature in contract.features:
        values = frame[feature.name].tolist()
        columns.append([None if v is None or v != v else feature_cast(v, feature.type) for v in values])
    return list(zip(*columns, strict=True))


def feature_cast(value: Any, kind: str) -> FeatureValue:
    """Convert a cell to the Python type of its feature."""
    if kind == "integer":
        return int(value)
    return float(value) if kind == "float" else str(value)


def score_rows(scorer: Scorer, rows: Sequence[Sequence[FeatureValue]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the probabilities for rows of shape (n, features), as an array of shape (n,)."""
    return np.array(scorer.probabilities(rows), dtype=np.float64)


def largest_difference(pipeline: Any, scorer: Scorer, frame: pd.DataFrame, contract: Contract) -> float:
    """Return the largest absolute difference between the probabilities of the pipeline and the scorer on `frame`."""
    expected = pipeline.predict_proba(frame[list(contract.feature_names)])[:, 1]
    return float(np.max(np.abs(expected - score_rows(scorer, rows_of(frame, contract))), initial=0.0))


def probe_rows(contract: Contract, seed: int, n_rows: int = 256, *, only_valid: bool = False) -> pd.DataFrame:
    """Generate random rows with values that are rare in training data.

    These are the limits, values next to the limits, and missing and unknown values. With `only_valid`, no category is
    unknown, and values are missing only where the contract allows it.
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
            unknown = [] if only_valid else ["unknown category"]
            missing = [None] if feature.is_nullable or not only_valid else []
            values = np.array([*feature.all_values, *unknown, *missing], dtype=object)
            columns[feature.name] = random.choice(values, n_rows)
    return pd.DataFrame(columns)
