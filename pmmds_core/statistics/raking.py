"""Raking: reweights reference rows so that every feature has the given shares.

Not here: the rule that uses it (drift/rules/joint.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pmmds_core.statistics.arrays import Matrix

MAX_STEPS = 30
# The tolerated error of a share, which is a tenth of the sampling error with 2,000 rows.
TOLERANCE = 1e-3
# This regularizes the Hessian if levels always occur together, such as no internet service and no streaming.
RIDGE = 1e-6
# This limits the weights to between e^-6 and e^6.
MAX_TILT = 6.0


@dataclass(frozen=True)
class Raked:
    """The reweighted reference.

    `tables` has the weighted shares of all pairs of levels, with shape (L, L). `n_effective` is Kish's effective sample
    size.
    """

    tables: Matrix
    n_effective: float


def rake(one_hot: Matrix, target: Matrix) -> Raked:
    """Find weights exp(sum of one term per feature) whose level shares equal `target`, by Newton's method.

    Raking is due to Deming and Stephan (1940). The weights equal those of iterative proportional fitting over all
    features (Ireland and Kullback 1968). The effective sample size is that of Kish (1965).

    Args:
        one_hot: an array of shape (N, L) with 0 and 1, where each row has a single 1 for each feature.
        target: an array of shape (L,) with the shares. The shares of a feature sum to 1.
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
