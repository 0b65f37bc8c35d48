"""Weights on reference rows under which every feature has the shares of another sample. Keep out: what is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pmmds_core.statistics.arrays import Matrix

MAX_STEPS = 30
# Of a share; chance moves one of 2,000 rows by ten times as much.
TOLERANCE = 1e-3
# Keeps levels that always come together (no internet, so no streaming) from dividing by nothing.
RIDGE = 1e-6
# Weights beyond e^±6 mean a shift that no reweighting explains.
MAX_TILT = 6.0


@dataclass(frozen=True)
class Raked:
    """`tables`: (L, L) weighted shares of every pair of levels. `n_effective`: Kish's effective number of rows."""

    tables: Matrix
    n_effective: float


def rake(one_hot: Matrix, target: Matrix) -> Raked:
    """Weights exp(sum of one term a feature) whose level shares are `target`, by Newton's method.

    Deming and Stephan (1940); the same weights as iterative proportional fitting of all features, Ireland and Kullback
    (1968). Kish (1965) for the effective number.

    Args:
        one_hot: (N, L) of 0 and 1, one 1 a feature.
        target: (L,) shares; those of a feature sum to 1.
    """
    tilt = np.zeros(one_hot.shape[1])
    weights = np.full(len(one_hot), 1 / len(one_hot))
    tables = one_hot.T @ one_hot / len(one_hot)
    for _ in range(MAX_STEPS):
        shares = np.diag(tables)
        gap = target - shares
        if np.abs(gap).max() < TOLERANCE:
            break
        hessian = tables - np.outer(shares, shares) + RIDGE * np.eye(len(shares))
        step = np.linalg.solve(hessian, gap)
        tilt = tilt + step / max(1.0, float(np.abs(step).max()))
        logits = one_hot @ tilt
        weights = np.exp(np.maximum(logits - logits.max(), -2 * MAX_TILT))
        weights /= weights.sum()
        tables = (one_hot * weights[:, None]).T @ one_hot
    return Raked(tables, 1 / float(np.square(weights).sum()))
