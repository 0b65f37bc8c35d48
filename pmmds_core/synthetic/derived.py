"""Fits numeric features that depend on others: sums of categorical effects, and products of two numeric features.

Not here: features sampled from probability tables (network.py).
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract
from pmmds_core.synthetic.nodes import Column, Grid, LinearNode, Node, ProductNode, Spread

# The minimum share of a feature's variance that a sum or a product must explain.
LINEAR_R2 = 0.95
PRODUCT_R2 = 0.98
N_PARTS = 12
STEPS = (1.0, 0.5, 0.25, 0.1, 0.05, 0.01, 0.001, 0.0001)


def derived_nodes(columns: dict[str, Column], contract: Contract) -> list[Node]:
    """Fit linear nodes, then product nodes, whose factors may be linear nodes."""
    complete = [n for n in contract.numeric_names if not np.isnan(columns[n]).any() and len(np.unique(columns[n])) > 2]
    sums = {name: node for name in complete if (node := _linear_node(name, columns, contract))}
    products: dict[str, ProductNode] = {}
    for name in complete:
        others = [other for other in complete if other != name and other not in products]
        product = None if name in sums else _product_node(name, others, columns)
        if product:
            products[name] = product
    return [*sums.values(), *products.values()]


def _linear_node(name: str, columns: dict[str, Column], contract: Contract) -> LinearNode | None:
    categories = [f for f in contract.features if not f.is_numeric]
    terms = [(f.name, value) for f in categories for value in f.all_values]
    if not terms:
        return None
    design = np.array([columns[n] == value for n, value in terms], dtype=np.float64).T
    values = columns[name].astype(np.float64)
    weights, *_ = np.linalg.lstsq(np.column_stack([np.ones(len(values)), design]), values, rcond=None)
    residuals = values - weights[0] - design @ weights[1:]
    if residuals.var() > (1 - LINEAR_R2) * values.var():
        return None
    effects: dict[str, dict[str, float]] = {}
    for (feature, value), weight in zip(terms, weights[1:], strict=True):
        effects.setdefault(feature, {})[value] = round(float(weight), 4)
    return LinearNode(name, round(float(weights[0]), 4), effects, quantiles(residuals, 33), grid_of(values))


def _product_node(name: str, others: list[str], columns: dict[str, Column]) -> ProductNode | None:
    values = columns[name].astype(np.float64)
    pairs = sorted(permutations(others, 2), key=lambda pair: -_r2(values, columns[pair[0]] * columns[pair[1]]))
    if not pairs or _r2(values, columns[pairs[0][0]] * columns[pairs[0][1]]) < PRODUCT_R2:
        return None
    # The factor that predicts the ratio better comes first.
    nodes = [_product_of(name, pair, columns) for pair in (pairs[0], pairs[0][::-1])]
    return min(nodes, key=lambda node: sum(_width(spread) for spread in node.ratios) / len(node.ratios))


def _product_of(name: str, factors: tuple[str, ...], columns: dict[str, Column]) -> ProductNode:
    first, second = (columns[factor].astype(np.float64) for factor in factors)
    values = columns[name].astype(np.float64)
    ratio = np.divide(values, first * second, out=np.ones(len(values)), where=first * second != 0)
    cuts = np.unique(np.quantile(first, np.arange(1, N_PARTS) / N_PARTS, method="lower"))
    part = np.searchsorted(cuts, first, side="left")
    parts = [ratio[part == i] for i in range(len(cuts) + 1)]
    spreads = tuple(quantiles(p, 17) if p.size else Spread((1.0, 1.0)) for p in parts)
    return ProductNode(name, (factors[0], factors[1]), tuple(map(float, cuts)), spreads, grid_of(values))


def _width(spread: Spread) -> float:
    return spread.points[-1] - spread.points[0]


def _r2(values: NDArray[np.float64], explained: NDArray[np.float64]) -> float:
    if values.std() == 0 or explained.std() == 0:
        return 0.0
    return float(np.corrcoef(values, explained)[0, 1] ** 2)


def quantiles(values: NDArray[np.float64], n_points: int) -> Spread:
    """Return evenly spaced quantiles of `values`, rounded to six digits."""
    points = np.quantile(values, np.linspace(0, 1, n_points))
    return Spread(tuple(float(f"{p:.6g}") for p in points))


def grid_of(values: NDArray[np.float64]) -> Grid:
    """Return the range of `values` and the largest of STEPS that divides all values.

    The step is 0 if none of STEPS divides all values.
    """
    steps = (s for s in STEPS if np.allclose(values / s, np.round(values / s), rtol=0, atol=1e-6))
    return Grid(float(values.min()), float(values.max()), next(steps, 0.0))
