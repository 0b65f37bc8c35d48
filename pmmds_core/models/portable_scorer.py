"""Portable scorers: a trained pipeline's parameters as JSON, scored in plain Python.

The serving process needs no pickle, scikit-learn or pandas. Add a scorer class for each estimator that training can
choose. Not here: compiling a pipeline and comparing the result with it (scorer_compiler.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import msgspec

from pmmds_core.contracts.contract import FeatureValue
from pmmds_core.errors import ArtifactCorruptError

Row = Sequence[FeatureValue]
Rows = Sequence[Row]


class Scorer(Protocol):
    """A scorer that returns P(positive) of a row in the contract's feature order. None is a missing value."""

    @property
    def kind(self) -> str: ...

    def probability(self, row: Row) -> float: ...

    def probabilities(self, rows: Sequence[Row]) -> list[float]: ...


class LinearNumeric(msgspec.Struct, frozen=True):
    """The term (value - mean) / scale * coefficient. A missing value is replaced by `impute`, which is the median."""

    index: int
    impute: float
    mean: float
    scale: float
    coefficient: float


class LinearCategorical(msgspec.Struct, frozen=True):
    """One coefficient per category. An unknown category or a missing value contributes 0."""

    index: int
    coefficients: dict[str, float]


class LogisticScorer(msgspec.Struct, frozen=True, tag="logistic_regression", tag_field="kind"):
    """A logistic regression over standardized numeric and one-hot categorical features."""

    intercept: float
    numeric: tuple[LinearNumeric, ...]
    categorical: tuple[LinearCategorical, ...]

    @property
    def kind(self) -> str:
        return "logistic_regression"

    def probability(self, row: Row) -> float:
        total = self.intercept
        for term in self.numeric:
            value = row[term.index]
            number = term.impute if value is None else float(value)
            total += (number - term.mean) / term.scale * term.coefficient
        for choice in self.categorical:
            total += choice.coefficients.get(row[choice.index], 0.0)  # type: ignore[arg-type]
        return sigmoid(total)

    def probabilities(self, rows: Sequence[Row]) -> list[float]:
        return [self.probability(row) for row in rows]


class Tree(msgspec.Struct, frozen=True, array_like=True):
    """A regression tree as parallel columns with one entry per node.

    The feature of a leaf is -1. A value goes left if it is <= `threshold`. `n_rows` has the number of training rows
    that reached each node, which explanations need.
    """

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    missing_left: tuple[bool, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]
    n_rows: tuple[int, ...]

    def next_node(self, node: int, value: float) -> int:
        """Return the child node for a value. NaN is a missing value."""
        go_left = self.missing_left[node] if value != value else value <= self.threshold[node]
        return self.left[node] if go_left else self.right[node]


class CategoryCodes(msgspec.Struct, frozen=True):
    """The ordinal codes of one categorical feature. An unknown value counts as missing."""

    index: int
    codes: dict[str, float]


class BoostingScorer(msgspec.Struct, frozen=True, tag="hist_gradient_boosting", tag_field="kind"):
    """A histogram gradient boosting model over ordinal-coded categorical features."""

    baseline: float
    numeric: tuple[int, ...]
    categorical: tuple[CategoryCodes, ...]
    trees: tuple[Tree, ...]

    @property
    def kind(self) -> str:
        return "hist_gradient_boosting"

    def probability(self, row: Row) -> float:
        x = self.encode(row)
        total = self.baseline
        for tree in self.trees:
            total += _walk(tree, x)
        return sigmoid(total)

    def probabilities(self, rows: Sequence[Row]) -> list[float]:
        return [self.probability(row) for row in rows]

    def encode(self, row: Row) -> list[float]:
        """Return the input of the trees: the numeric values, followed by the category codes.

        Missing and unknown values are NaN.
        """
        x = [math.nan if (v := row[i]) is None else float(v) for i in self.numeric]
        x.extend(c.codes.get(row[c.index], math.nan) for c in self.categorical)  # type: ignore[arg-type]
        return x


def _walk(tree: Tree, x: list[float]) -> float:
    feature, threshold, left, right = tree.feature, tree.threshold, tree.left, tree.right
    node = 0
    while (f := feature[node]) >= 0:
        value = x[f]
        go_left = tree.missing_left[node] if value != value else value <= threshold[node]
        node = left[node] if go_left else right[node]
    return tree.value[node]


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x)) without overflow for any x."""
    if x >= 0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


AnyScorer = LogisticScorer | BoostingScorer


def load_scorer(raw: bytes) -> Scorer:
    """Decode a scorer.

    Raises:
        ArtifactCorruptError: `raw` is not the JSON of a known scorer.
    """
    try:
        scorer: Scorer = msgspec.json.decode(raw, type=AnyScorer)
    except msgspec.DecodeError as error:
        raise ArtifactCorruptError(f"The portable scorer is not valid: {error}.") from None
    return scorer


def dump_scorer(scorer: AnyScorer) -> bytes:
    """Return canonical JSON, in which equal parameters give equal bytes."""
    return msgspec.json.encode(scorer, order="sorted")
