"""The nodes of a generator. Each samples one feature given the features sampled before it.

Not here: fitting nodes (network.py, derived.py) and the label (label.py).
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
States = NDArray[np.int64]


class Spread(msgspec.Struct, frozen=True):
    """The distribution of the numbers in one bin.

    With weights, the distribution consists of `points` with `weights`. Without weights, `points` are evenly spaced
    quantiles of the bin, and samples are interpolated between the points.
    """

    points: tuple[float, ...]
    weights: tuple[float, ...] = ()

    def draw(self, n_rows: int, rng: np.random.Generator) -> NDArray[np.float64]:
        points = np.array(self.points, dtype=np.float64)
        if self.weights:
            weights = np.array(self.weights, dtype=np.float64)
            return rng.choice(points, n_rows, p=weights / weights.sum())
        return np.interp(rng.random(n_rows), np.linspace(0, 1, len(points)), points)


class Grid(msgspec.Struct, frozen=True):
    """The range of a numeric feature whose values are multiples of `step`. A step of 0 allows any number."""

    minimum: float
    maximum: float
    step: float

    def snap(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.step:
            values = np.round(np.round(values / self.step) * self.step, 10)
        return np.clip(values, self.minimum, self.maximum)


class TableNode(msgspec.Struct, frozen=True, tag="table"):
    """A feature that is sampled from a probability table given the states of at most two parents.

    The states are the `values` of a categorical feature or the bins (`spreads`) of a numeric feature. With
    `has_missing`, the last state is missing. `probabilities` has one row per combination of parent states, in which the
    state of the last parent varies fastest.
    """

    feature: str
    parents: tuple[str, ...]
    probabilities: tuple[tuple[float, ...], ...]
    values: tuple[str, ...] = ()
    spreads: tuple[Spread, ...] = ()
    grid: Grid | None = None
    has_missing: bool = False

    @property
    def n_states(self) -> int:
        return len(self.values) + len(self.spreads) + self.has_missing

    def draw(self, states: dict[str, tuple[States, int]], n_rows: int, rng: np.random.Generator) -> States:
        """Sample states, with shape (n_rows,).

        `states` has the states of each parent and the number of its states.
        """
        row = np.zeros(n_rows, dtype=np.int64)
        for parent in self.parents:
            parent_states, n_states = states[parent]
            row = row * n_states + parent_states
        cumulative = np.cumsum(np.array(self.probabilities), axis=1)
        cumulative /= cumulative[:, -1:]
        drawn: States = (rng.random(n_rows)[:, None] >= cumulative[row, :-1]).sum(axis=1)
        return drawn

    def to_values(self, states: States, rng: np.random.Generator) -> Column:
        if self.grid is None:
            return np.array([*self.values, None], dtype=object)[states]
        values = np.full(len(states), np.nan)
        for state, spread in enumerate(self.spreads):
            rows = states == state
            values[rows] = self.grid.snap(spread.draw(int(rows.sum()), rng))
        return values


class LinearNode(msgspec.Struct, frozen=True, tag="linear"):
    """A numeric feature that is the sum of the effects of categorical features and a residual.

    The residual is sampled from its quantiles.
    """

    feature: str
    intercept: float
    effects: dict[str, dict[str, float]]
    residuals: Spread
    grid: Grid

    def draw(self, columns: dict[str, Column], rng: np.random.Generator) -> NDArray[np.float64]:
        n_rows = len(next(iter(columns.values())))
        values = self.intercept + self.residuals.draw(n_rows, rng)
        return self.grid.snap(values + sum_of_effects(self.effects, columns, n_rows))


class ProductNode(msgspec.Struct, frozen=True, tag="product"):
    """A numeric feature that is the product of two others and a ratio that depends on the first factor.

    `ratios` has the distribution of the ratio for each interval of the first factor. `cuts` has the ends of the
    right-closed intervals, with shape (len(ratios) - 1,).
    """

    feature: str
    factors: tuple[str, str]
    cuts: tuple[float, ...]
    ratios: tuple[Spread, ...]
    grid: Grid

    def draw(self, columns: dict[str, Column], rng: np.random.Generator) -> NDArray[np.float64]:
        first, second = (columns[name].astype(np.float64) for name in self.factors)
        part = np.searchsorted(self.cuts, first, side="left")
        ratios = np.ones(len(first))
        for index, spread in enumerate(self.ratios):
            rows = part == index
            ratios[rows] = spread.draw(int(rows.sum()), rng)
        return self.grid.snap(first * second * ratios)


Node = TableNode | LinearNode | ProductNode


def sum_of_effects(
    effects: dict[str, dict[str, float]], columns: dict[str, Column], n_rows: int
) -> NDArray[np.float64]:
    """Sum the effects of the categorical values into an array of shape (n_rows,).

    Missing values and values without an effect count as 0.
    """
    import pandas as pd

    total = np.zeros(n_rows)
    for name, by_value in effects.items():
        codes, distinct = pd.factorize(columns[name])
        total += np.array([*(by_value.get(value, 0.0) for value in distinct), 0.0])[codes]
    return total
