"""The label of synthetic rows: the model of P(label = 1 | features), its fit to real rows and its calibration.

Not here: the features (nodes.py, network.py, derived.py).
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract
from pmmds_core.synthetic.nodes import Column, sum_of_effects

N_KNOTS = 8


class Curve(msgspec.Struct, frozen=True):
    """The effect of a numeric feature on the log-odds.

    The effect is linear between the `knots` and constant outside them. `missing` is the effect of NaN.
    """

    knots: tuple[float, ...]
    effects: tuple[float, ...]
    missing: float = 0.0

    def at(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(np.isnan(values), self.missing, np.interp(values, self.knots, self.effects))


class LabelMechanism(msgspec.Struct, frozen=True):
    """The probability P(label = 1 | features), as the logistic function of an intercept and one effect per feature."""

    intercept: float
    curves: dict[str, Curve]
    effects: dict[str, dict[str, float]]

    def probability(self, columns: dict[str, Column]) -> NDArray[np.float64]:
        """Return P(label = 1) as an array of shape (n,) for columns of shape (n,)."""
        return _logistic(self.log_odds(columns))

    def log_odds(self, columns: dict[str, Column]) -> NDArray[np.float64]:
        n_rows = len(next(iter(columns.values())))
        log_odds = self.intercept + sum_of_effects(self.effects, columns, n_rows)
        for name, curve in self.curves.items():
            log_odds = log_odds + curve.at(columns[name].astype(np.float64))
        return log_odds


def fit_mechanism(columns: dict[str, Column], labels: NDArray[np.int64], contract: Contract) -> LabelMechanism:
    """Fit a logistic regression on indicators of the values and on hat functions at each numeric feature's quantiles.

    Args:
        columns: arrays of shape (n,), as returned by data.reader.to_columns.
        labels: an array of shape (n,) with 0 and 1, both of which are present.
        contract: the kinds of the features.
    """
    from sklearn.linear_model import LogisticRegression

    knots = {name: _knots(columns[name]) for name in contract.numeric_names}
    hats = [_hats(columns[name], knots[name]) for name in contract.numeric_names]
    terms = [(f.name, value) for f in contract.features if not f.is_numeric for value in f.values]
    indicators = [(columns[name] == value)[:, None] for name, value in terms]
    design = np.hstack([*hats, *indicators]).astype(np.float64)
    model = LogisticRegression(C=1.0, max_iter=5000).fit(design, labels)
    weights = [round(float(w), 4) for w in model.coef_[0]]
    curves = {name: _take_curve(knots[name], weights) for name in contract.numeric_names}
    effects: dict[str, dict[str, float]] = {}
    for (name, value), weight in zip(terms, weights, strict=True):
        effects.setdefault(name, {})[value] = weight
    return LabelMechanism(round(float(model.intercept_[0]), 4), curves, effects)


def calibrate(mechanism: LabelMechanism, columns: dict[str, Column], rate: float) -> LabelMechanism:
    """Adjust the intercept so that the mean probability of `columns` is `rate`.

    The intercept is found by bisection to 1e-6.
    """
    log_odds = mechanism.log_odds(columns)
    low, high = -10.0, 10.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        is_below = _logistic(log_odds + middle).mean() < rate
        low, high = (middle, high) if is_below else (low, middle)
    return msgspec.structs.replace(mechanism, intercept=round(mechanism.intercept + low, 4))


def _logistic(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-log_odds))


def _knots(values: Column) -> NDArray[np.float64]:
    present = values[~np.isnan(values)]
    if present.size == 0:
        return np.zeros(1)
    return np.unique(np.quantile(present, np.linspace(0, 1, N_KNOTS)))


def _hats(values: Column, knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights for linear interpolation between the knots, with shape (n, len(knots) + 1).

    The last column marks missing values.
    """
    hats = np.array([np.interp(values, knots, row) for row in np.eye(len(knots))]).T
    missing = np.isnan(values)
    hats[missing] = 0.0
    return np.column_stack([hats, missing])


def _take_curve(knots: NDArray[np.float64], weights: list[float]) -> Curve:
    """Remove the first len(knots) + 1 `weights`, and return the curve made from these weights."""
    effects = [weights.pop(0) for _ in range(len(knots) + 1)]
    return Curve(tuple(float(k) for k in knots), tuple(effects[:-1]), effects[-1])
