"""Bins of a feature: frozen on the reference, with a bin for every possible value.

Not here: statistics of the counts (drift/comparison.py) and engines (stores/), which run the queries of
bin_queries.py and are tested against count_numeric and count_categorical.

Bin layout, the same in every engine and report:
numeric:      (-inf, e1], (e1, e2], ..., (ek, +inf), then out of range, not a number, null
categorical:  each category in order, then unseen, then null
"""

from __future__ import annotations

import math
import re
import sys
from itertools import pairwise
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

SCORE = "__score__"

# Limits of an open range: infinities are out of range.
LOWEST, HIGHEST = -sys.float_info.max, sys.float_info.max

# A number in a text file. Python and the engines each accept different additional forms (1_000, 0x10, ١٢).
NUMBER_PATTERN = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
WORDS_FOR_INFINITY = frozenset({"inf", "infinity"})
WORDS_FOR_NULL = frozenset({"", "nan"})
_NUMBER = re.compile(NUMBER_PATTERN)
_A_FEW = 4096


class FeatureBins(msgspec.Struct, frozen=True):
    """Frozen bins of one feature.

    `edges`: inner cut points of a numeric feature, ascending, right-closed. `categories`: values of a categorical
    feature. `low`, `high`: inclusive range of a numeric feature; None: no limit, but infinities are out of range. Null
    means a missing value or NaN; −0.0 is 0.

    Raises:
        ValueError: edges that do not increase or lie outside the range, or duplicate categories.
    """

    feature: str
    kind: Literal["numeric", "categorical"]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not all(a < b for a, b in pairwise((*self.edges, math.inf))):
            raise ValueError(f"the edges of {self.feature} do not increase")
        if self.edges and not self.lowest <= self.edges[0] <= self.edges[-1] <= self.highest:
            raise ValueError(f"an edge of {self.feature} lies outside its range")
        if len(set(self.categories)) < len(self.categories):
            raise ValueError(f"duplicate categories of {self.feature}")

    @property
    def lowest(self) -> float:
        """The smallest number in range."""
        return LOWEST if self.low is None else self.low

    @property
    def highest(self) -> float:
        """The largest number in range."""
        return HIGHEST if self.high is None else self.high

    @property
    def n_bins(self) -> int:
        return len(self.edges) + 4 if self.kind == "numeric" else len(self.categories) + 2

    @property
    def null_index(self) -> int:
        return self.n_bins - 1

    @property
    def unseen_index(self) -> int | None:
        """Bin of categories that are not in the reference."""
        return None if self.kind == "numeric" else self.n_bins - 2

    @property
    def not_a_number_index(self) -> int | None:
        """Bin of text in a numeric column, which only files can contain."""
        return self.n_bins - 2 if self.kind == "numeric" else None

    @property
    def out_of_range_index(self) -> int | None:
        """Bin of infinities and numbers outside [low, high]."""
        return self.n_bins - 3 if self.kind == "numeric" else None

    @property
    def labels(self) -> tuple[str, ...]:
        """Display names of the bins, in order."""
        if self.kind == "categorical":
            return (*self.categories, "(unseen)", "(null)")
        return (*_number_labels(self.edges), "(out of range)", "(not a number)", "(null)")


def _number_labels(edges: tuple[float, ...]) -> tuple[str, ...]:
    if not edges:
        return ("(any)",)
    if len(edges) == 2 and math.nextafter(edges[0], math.inf) == edges[1]:
        return (f"< {edges[1]:g}", f"{edges[1]:g}", f"> {edges[1]:g}")
    inner = [f"({a:g}, {b:g}]" for a, b in pairwise(edges)]
    return (f"≤ {edges[0]:g}", *inner, f"> {edges[-1]:g}")


def fit_numeric_bins(
    feature: str, values: NDArray[np.float64], n_bins: int, low: float | None = None, high: float | None = None
) -> FeatureBins:
    """Edges at the quantiles of the values in range. Equal quantiles merge, so there may be fewer than `n_bins` bins.

    A feature with few distinct values gets an edge at each value but the last, so 0/1 flags have two bins. A constant
    feature gets three bins: below, equal and above. A feature whose quantiles all equal its maximum gets two: the
    maximum and the values below.

    Args:
        feature: name of the feature.
        values: (n,), NaN for null.
        n_bins: number of bins with equal shares of the reference.
        low: the smallest value in range; None: no limit.
        high: the largest value in range; None: no limit.
    """
    empty = FeatureBins(feature, "numeric", low=low, high=high)
    in_range = values[(values >= empty.lowest) & (values <= empty.highest)]
    if in_range.size == 0:
        return empty
    # Adding 0.0 converts −0.0 to 0.0.
    edges = _edges(in_range, n_bins) + 0.0
    if edges.size == 0:
        value = in_range[0] + 0.0
        edges = np.array([e for e in (np.nextafter(value, -np.inf), value) if e >= empty.lowest])
    return msgspec.structs.replace(empty, edges=tuple(float(e) for e in edges))


def _edges(values: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Ascending inner edges for (n,) finite values: each distinct value but the last, or the "lower" quantiles."""
    # Most columns have many distinct values among the first rows; this avoids sorting them completely.
    if np.unique(values[:_A_FEW]).size <= n_bins:
        distinct = np.unique(values)
        if distinct.size <= n_bins:
            return np.asarray(distinct[:-1])
    at = np.floor((values.size - 1) * (np.arange(1, n_bins) / n_bins)).astype(np.intp)
    edges = np.unique(np.partition(values, at)[at])
    largest = values.max()
    edges = edges[edges < largest]
    if edges.size == 0:
        below = values[values < largest]
        edges = below.max(keepdims=True) if below.size else edges
    return np.asarray(edges)


def count_numeric(bins: FeatureBins, values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts per bin. `values`: (n,), NaN means null. Result: (n_bins,)."""
    # Comparing with every edge takes a third of the time of a binary search per value.
    up_to = [np.count_nonzero(values < bins.lowest)]
    up_to += [np.count_nonzero(values <= edge) for edge in (*bins.edges, bins.highest)]
    n_null = np.count_nonzero(np.isnan(values))
    n_out_of_range = len(values) - n_null - (up_to[-1] - up_to[0])
    return np.array([*np.diff(up_to), n_out_of_range, 0, n_null], dtype=np.int64)


def count_texts(bins: FeatureBins, values: NDArray[np.object_]) -> NDArray[np.int64]:
    """Counts per bin of a numeric feature whose column may contain text. `values`: (n,) of str, number or None."""
    numbers = [number_of(value) for value in values]
    counts = count_numeric(bins, np.array([n for n in numbers if n is not None], dtype=np.float64))
    counts[bins.n_bins - 2] = numbers.count(None)
    return counts


def number_of(value: object) -> float | None:
    """The number in a cell: NaN for a missing value or blank text, None for text that is not a number."""
    if value is None:
        return math.nan
    if not isinstance(value, str):
        return float(value)  # type: ignore[arg-type]  # numpy's and Python's numbers
    text = value.strip().lower()
    if text in WORDS_FOR_NULL:
        return math.nan
    if _NUMBER.fullmatch(text) or text.lstrip("+-") in WORDS_FOR_INFINITY:
        return float(text)
    return None


def count_categorical(bins: FeatureBins, values: NDArray[Any]) -> NDArray[np.int64]:
    """Counts per bin. `values`: (n,) of str; None or NaN means null. Result: (n_bins,)."""
    index = {c: i for i, c in enumerate(bins.categories)}
    counts = np.zeros(bins.n_bins, dtype=np.int64)
    for value in values:
        if value is None or value != value:
            counts[bins.null_index] += 1
        else:
            counts[index.get(value, bins.n_bins - 2)] += 1
    return counts
