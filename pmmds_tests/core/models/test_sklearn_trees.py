"""Internals of scikit-learn used by sklearn_trees.py. If a test fails, fix that module before allowing new versions."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from pmmds_core.errors import NotCompilableError
from pmmds_core.models.portable_scorer import BoostingScorer
from pmmds_core.models.sklearn_trees import baseline_of, trees_of

NODE_FIELDS = {
    "value", "count", "feature_idx", "num_threshold", "missing_go_to_left", "left", "right", "is_leaf", "is_categorical"
}  # fmt: skip
ROOT = Path(__file__).parents[3]


def rows(n_rows: int = 400) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return three columns; a tenth of the values in the first column are missing."""
    random = np.random.default_rng(5)
    x = random.normal(size=(n_rows, 3))
    x[random.random(n_rows) < 0.1, 0] = np.nan
    return x


def fitted(x: np.ndarray[Any, np.dtype[np.float64]], n_classes: int = 2, **options: Any) -> Any:
    labels = np.digitize(np.nan_to_num(x[:, 0], nan=2.0) + x[:, 1], [0.0, 1.0][: n_classes - 1])
    return HistGradientBoostingClassifier(max_iter=10, random_state=0, **options).fit(x, labels)


def test_private_attributes_of_scikit_learn_have_the_expected_shape() -> None:
    estimator = fitted(rows())
    assert np.shape(estimator._baseline_prediction) == (1, 1)
    assert [len(iteration) for iteration in estimator._predictors] == [1] * estimator.n_iter_
    for (predictor,) in estimator._predictors:
        assert set(predictor.nodes.dtype.names) >= NODE_FIELDS


def test_trees_and_baseline_reproduce_the_predicted_probabilities() -> None:
    x = rows()
    estimator = fitted(x)
    scorer = BoostingScorer(baseline_of(estimator), (0, 1, 2), (), trees_of(estimator))
    scored = scorer.probabilities([[None if v != v else float(v) for v in row] for row in x])
    assert scored == pytest.approx(estimator.predict_proba(x)[:, 1], abs=1e-12)


def test_tree_nodes_count_the_training_rows() -> None:
    x = rows()
    for tree in trees_of(fitted(x)):
        assert tree.n_rows[0] == len(x)
        inner = [node for node, feature in enumerate(tree.feature) if feature >= 0]
        assert all(tree.n_rows[n] == tree.n_rows[tree.left[n]] + tree.n_rows[tree.right[n]] for n in inner)


def test_a_split_on_missing_values_has_a_finite_threshold() -> None:
    x = np.column_stack([np.where(np.arange(200) < 100, np.nan, 1.0), np.zeros(200), np.zeros(200)])
    estimator = HistGradientBoostingClassifier(max_iter=2).fit(x, np.isnan(x[:, 0]))
    assert np.isinf(estimator._predictors[0][0].nodes["num_threshold"][0])
    assert np.isfinite(trees_of(estimator)[0].threshold).all()


def test_categorical_splits_and_multiclass_models_are_rejected() -> None:
    x = rows()
    x[:, 1] = np.random.default_rng(6).integers(0, 4, len(x))
    with pytest.raises(NotCompilableError, match="categorical splits"):
        trees_of(fitted(x, categorical_features=[1]))
    with pytest.raises(NotCompilableError, match="multiclass"):
        trees_of(fitted(rows(), n_classes=3))


def test_the_required_scikit_learn_version_has_an_upper_bound() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    bounds = {r for requirements in extras.values() for r in requirements if r.startswith("scikit-learn")}
    assert bounds
    assert all(",<" in bound for bound in bounds)
