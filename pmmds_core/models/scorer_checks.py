"""Structural checks of a decoded scorer: indexes in range, valid trees, finite numbers.

A scorer that passes returns a probability for every row of its contract. Not here: scoring
(portable_scorer.py), golden predictions (bundle.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pmmds_core.errors import ArtifactCorruptError
from pmmds_core.models.portable_scorer import BoostingScorer, LogisticScorer, Scorer, Tree

# Larger parameters could overflow to infinity, and infinity minus infinity is NaN.
LARGEST, SMALLEST_SCALE = 1e100, 1e-100
# The maximum number of nodes in all trees. scikit-learn trains far fewer nodes.
MAX_NODES = 5_000_000
# This limits the time to score one row.
MAX_LEVELS = 500


def check_scorer(scorer: Scorer, is_numeric: Sequence[bool]) -> None:
    """Check a portable scorer against its features.

    `is_numeric` has one value per feature, in the contract's order.

    Raises:
        ArtifactCorruptError: scoring could fail, run forever, or return a value that is not a probability.
    """
    if isinstance(scorer, LogisticScorer):
        _check_logistic(scorer, is_numeric)
    elif isinstance(scorer, BoostingScorer):
        _check_boosting(scorer, is_numeric)


def _check_logistic(scorer: LogisticScorer, is_numeric: Sequence[bool]) -> None:
    _check_features((t.index for t in scorer.numeric), is_numeric, numeric=True)
    _check_features((t.index for t in scorer.categorical), is_numeric, numeric=False)
    for term in scorer.numeric:
        _check_sizes((term.impute, term.mean, term.scale, term.coefficient))
        _require(abs(term.scale) >= SMALLEST_SCALE, "a scale is zero")
    for choice in scorer.categorical:
        _check_sizes(choice.coefficients.values())
    _check_sizes((scorer.intercept,))


def _check_boosting(scorer: BoostingScorer, is_numeric: Sequence[bool]) -> None:
    _check_features(scorer.numeric, is_numeric, numeric=True)
    _check_features((c.index for c in scorer.categorical), is_numeric, numeric=False)
    for codes in scorer.categorical:
        _check_sizes(codes.codes.values())
    _check_sizes((scorer.baseline,))
    _require(sum(len(tree.feature) for tree in scorer.trees) <= MAX_NODES, f"it has over {MAX_NODES:,} nodes")
    n_inputs = len(scorer.numeric) + len(scorer.categorical)
    for tree in scorer.trees:
        _check_tree(tree, n_inputs)


def _check_tree(tree: Tree, n_inputs: int) -> None:
    n = len(tree.feature)
    columns = (tree.threshold, tree.missing_left, tree.left, tree.right, tree.value, tree.n_rows)
    _require(n > 0 and all(len(column) == n for column in columns), "a tree's columns differ in length")
    _require(all(0 < n_rows <= LARGEST for n_rows in tree.n_rows), "a node has no rows")
    _require(all(-1 <= f < n_inputs for f in tree.feature), "a tree splits on a feature that does not exist")
    _check_sizes(tree.value)
    _check_links(tree)


def _check_links(tree: Tree) -> None:
    """Check that every child has one parent and follows it, so that every path ends at a leaf."""
    n, levels, has_parent = len(tree.feature), [0] * len(tree.feature), set[int]()
    for node, feature in enumerate(tree.feature):
        if feature < 0:
            continue
        for child in (tree.left[node], tree.right[node]):
            _require(node < child < n and child not in has_parent, "a tree's links do not form a tree")
            has_parent.add(child)
            levels[child] = levels[node] + 1
    _require(max(levels) <= MAX_LEVELS, f"a tree is deeper than {MAX_LEVELS} levels")


def _check_features(indexes: Iterable[int], is_numeric: Sequence[bool], *, numeric: bool) -> None:
    for index in indexes:
        _require(0 <= index < len(is_numeric), "it reads a feature that does not exist")
        _require(
            is_numeric[index] is numeric, "it treats a categorical feature as numeric, or a numeric one as categorical"
        )


def _check_sizes(numbers: Iterable[float]) -> None:
    _require(all(abs(number) <= LARGEST for number in numbers), f"a number is not finite or exceeds {LARGEST:g}")


def _require(is_valid: bool, problem: str) -> None:
    if not is_valid:
        raise ArtifactCorruptError(f"The portable scorer is invalid: {problem}.")
