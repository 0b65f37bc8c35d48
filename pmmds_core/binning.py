"""Bins of a feature: frozen on the reference, open at both ends, so that no value falls off the edge.

Add here what turns values into bin indices. Keep out: statistics over the counts (drift.py), SQL (stores).

Layout of the bins, which SQL, numpy and reports all keep:
numeric:      (-inf, e1], (e1, e2], ..., (ek, +inf), null
categorical:  each value in the contract's order, then unseen, then null
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

SCORE = "__score__"


class FeatureBins(msgspec.Struct, frozen=True):
    """Frozen bins of one feature.

    `edges`: inner cut points of a numeric feature, ascending, right-closed. `categories`: values of a categorical.
    """

    feature: str
    kind: Literal["numeric", "categorical"]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def n_bins(self) -> int:
        return len(self.edges) + 2 if self.kind == "numeric" else len(self.categories) + 2

    @property
    def null_index(self) -> int:
        return self.n_bins - 1

    @property
    def unseen_index(self) -> int | None:
        """Where values that the reference did not have are counted; numeric bins are open, so they have none."""
        return None if self.kind == "numeric" else self.n_bins - 2

    @property
    def labels(self) -> tuple[str, ...]:
        """A person's names of the bins, in order."""
        if self.kind == "categorical":
            return (*self.categories, "(unseen)", "(null)")
        if not self.edges:
            return ("(any)", "(null)")
        inner = [f"({a:g}, {b:g}]" for a, b in zip(self.edges, self.edges[1:], strict=False)]
        return (f"≤ {self.edges[0]:g}", *inner, f"> {self.edges[-1]:g}", "(null)")


def fit_numeric_bins(feature: str, values: NDArray[np.float64], n_bins: int) -> FeatureBins:
    """Edges at the reference's quantiles; NaN is left out. Equal quantiles merge, so there may be fewer bins.

    A feature with few distinct values gets an edge at each value but the last, so that 0/1 flags have two bins.
    """
    known = values[~np.isnan(values)]
    if known.size == 0:
        return FeatureBins(feature, "numeric")
    distinct = np.unique(known)
    if distinct.size <= n_bins:
        edges = distinct[:-1]
    else:
        edges = np.unique(np.quantile(known, np.arange(1, n_bins) / n_bins, method="lower"))
        edges = edges[edges < distinct[-1]]
    return FeatureBins(feature, "numeric", edges=tuple(float(e) for e in edges))


def count_numeric(bins: FeatureBins, values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts per bin; values: (n,), NaN means null; result: (n_bins,)."""
    is_null = np.isnan(values)
    inner = np.bincount(np.searchsorted(bins.edges, values[~is_null], side="left"), minlength=bins.n_bins - 1)
    return np.append(inner, is_null.sum()).astype(np.int64)


def count_categorical(bins: FeatureBins, values: NDArray[Any]) -> NDArray[np.int64]:
    """Counts per bin; values: (n,) of str, None or NaN means null; result: (n_bins,)."""
    index = {c: i for i, c in enumerate(bins.categories)}
    counts = np.zeros(bins.n_bins, dtype=np.int64)
    for value in values:
        if value is None or value != value:
            counts[bins.null_index] += 1
        else:
            counts[index.get(value, bins.n_bins - 2)] += 1
    return counts
