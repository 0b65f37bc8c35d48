"""Multiple-testing correction. Not here: the tests (homogeneity.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def benjamini_hochberg(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Return q-values: the smallest false discovery rate at which each test is a discovery.

    Without drift, the probability of any q ≤ rate is at most the rate, for independent or positively dependent tests.
    Uses the method of Benjamini and Hochberg (1995); equals scipy.stats.false_discovery_control.

    Args:
        p_values: (n,).

    Returns:
        (n,), in the same order.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(p)
    q[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return np.minimum(q, 1.0)
