"""Reads the trees of a fitted HistGradientBoostingClassifier from scikit-learn's private attributes.

No other module reads them. pyproject.toml limits the version of scikit-learn; before raising the limit, run
pmmds_tests/core/models/test_sklearn_trees.py, which tests them. Not here: the portable scorer that is built from the
trees (scorer_compiler.py), scikit-learn's public attributes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pmmds_core.errors import NotCompilableError
from pmmds_core.models.portable_scorer import Tree

# JSON has no infinity, so this number replaces it as the threshold of a split that only separates missing values.
_MAX_THRESHOLD = 1e308


def baseline_of(estimator: Any) -> float:
    """Return the baseline log-odds, to which the leaf values of all trees are added."""
    return float(np.ravel(estimator._baseline_prediction)[0])


def trees_of(estimator: Any) -> tuple[Tree, ...]:
    """Return the trees of a fitted binary classifier, in the order in which they were fitted.

    Raises:
        NotCompilableError: a tree has categorical splits, or there is more than one tree per iteration (multiclass).
    """
    if any(len(iteration) != 1 for iteration in estimator._predictors):
        raise NotCompilableError("A multiclass boosting model has no portable scorer.")
    return tuple(_tree(iteration[0].nodes) for iteration in estimator._predictors)


def _tree(nodes: Any) -> Tree:
    if nodes["is_categorical"].any():
        raise NotCompilableError("A boosted tree with categorical splits has no portable scorer.")
    is_leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        feature=tuple(int(f) for f in np.where(is_leaf, -1, nodes["feature_idx"])),
        threshold=tuple(float(t) for t in np.where(is_leaf, 0.0, np.minimum(nodes["num_threshold"], _MAX_THRESHOLD))),
        missing_left=tuple(bool(m) for m in nodes["missing_go_to_left"]),
        left=tuple(int(n) for n in nodes["left"]),
        right=tuple(int(n) for n in nodes["right"]),
        value=tuple(float(v) for v in nodes["value"]),
        n_rows=tuple(int(n) for n in nodes["count"]),
    )
