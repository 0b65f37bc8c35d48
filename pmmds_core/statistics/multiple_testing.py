"""Correction of p-values for multiple testing. Not here: the tests (homogeneity.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def benjamini_hochberg(p_values: Sequence[float]) -> NDArray[np.float64]:
    """Return q-values, which are the smallest false discovery rates at which each test is a discovery.

    Without drift, the probability of any q ≤ rate is at most the rate if the tests are independent or positively
    dependent. The method is that of Benjamini and Hochberg (1995), and the result equals that of
    scipy.stats.false_discovery_control.

    Args:
        p_values: an array of shape (n,).

    Returns:
        An array of shape (n,), in the same order.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(p)
    q[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return np.minimum(q, 1.0)
