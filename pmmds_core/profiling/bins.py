"""Bins of a feature: frozen on the reference, with a place for every value, so that nothing falls off the edge.

Add here what says which bin a value belongs to. Keep out: statistics over the counts (drift/comparison.py), engines
(each renders the tallies of bin_queries.py, and is held to count_numeric and count_categorical).

Layout of the bins, which every engine and report keeps:
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

# What an open end still holds: infinities are out of range.
LOWEST, HIGHEST = -sys.float_info.max, sys.float_info.max

# A number as text files write it. Python and the engines each accept more (1_000, 0x10, ١٢), and each something else.
NUMBER_PATTERN = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
WORDS_FOR_INFINITY = frozenset({"inf", "infinity"})
WORDS_FOR_NULL = frozenset({"", "nan"})
_NUMBER = re.compile(NUMBER_PATTERN)
_A_FEW = 4096


class FeatureBins(msgspec.Struct, frozen=True):
    """Frozen bins of one feature.

    `edges`: inner cut points of a numeric feature, ascending, right-closed. `categories`: values of a categorical.
    `low`, `high`: the range a numeric value may have, both ends included; None leaves that end open, to all but
    infinity. A null is a missing value or NaN; −0.0 is 0.

    Raises:
        ValueError: edges that do not rise or lie outside the range, or a category that stands twice.
    """

    feature: str
    kind: Literal["numeric", "categorical"]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if not all(a < b for a, b in pairwise((*self.edges, math.inf))):
            raise ValueError(f"the edges of {self.feature} do not rise")
        if self.edges and not self.lowest <= self.edges[0] <= self.edges[-1] <= self.highest:
            raise ValueError(f"an edge of {self.feature} lies outside its range")
        if len(set(self.categories)) < len(self.categories):
            raise ValueError(f"a category of {self.feature} stands twice")

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
        """Where categories that the reference did not have are counted."""
        return None if self.kind == "numeric" else self.n_bins - 2

    @property
    def not_a_number_index(self) -> int | None:
        """Where text in a numeric column is counted; only files can hold it."""
        return self.n_bins - 2 if self.kind == "numeric" else None

    @property
    def out_of_range_index(self) -> int | None:
        """Where numbers outside [low, high], and infinities, are counted."""
        return self.n_bins - 3 if self.kind == "numeric" else None

    @property
    def labels(self) -> tuple[str, ...]:
        """A person's names of the bins, in order."""
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
    """Edges at the reference's quantiles, of the values in range. Equal quantiles merge: there may be fewer bins.

    A feature with few distinct values gets an edge at each value but the last, so that 0/1 flags have two bins; one
    with a single value gets three, so that every other value shows; one whose quantiles are all its largest value gets
    two, that value and those below.

    Args:
        feature: its name.
        values: (n,), NaN for null.
        n_bins: how many bins hold equal shares of the reference.
        low: the smallest value allowed, None for any.
        high: the largest value allowed, None for any.
    """
    empty = FeatureBins(feature, "numeric", low=low, high=high)
    known = values[(values >= empty.lowest) & (values <= empty.highest)]
    if known.size == 0:
        return empty
    # Adding 0.0 makes −0.0 a 0.0.
    edges = _edges(known, n_bins) + 0.0
    if edges.size == 0:
        value = known[0] + 0.0
        edges = np.array([e for e in (np.nextafter(value, -np.inf), value) if e >= empty.lowest])
    return msgspec.structs.replace(empty, edges=tuple(float(e) for e in edges))


def _edges(known: NDArray[np.float64], n_bins: int) -> NDArray[np.float64]:
    """Ascending inner edges for (n,) finite values: each distinct value but the last, or the "lower" quantiles."""
    # Most columns show in a few rows that they have many values, and then need not be ordered whole.
    if np.unique(known[:_A_FEW]).size <= n_bins:
        distinct = np.unique(known)
        if distinct.size <= n_bins:
            return np.asarray(distinct[:-1])
    at = np.floor((known.size - 1) * (np.arange(1, n_bins) / n_bins)).astype(np.intp)
    edges = np.unique(np.partition(known, at)[at])
    largest = known.max()
    edges = edges[edges < largest]
    if edges.size == 0:
        below = known[known < largest]
        edges = below.max(keepdims=True) if below.size else edges
    return np.asarray(edges)


def count_numeric(bins: FeatureBins, values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts per bin; values: (n,), NaN means null; result: (n_bins,)."""
    # Comparing with every edge takes a third of the time of looking each value up.
    up_to = [np.count_nonzero(values < bins.lowest)]
    up_to += [np.count_nonzero(values <= edge) for edge in (*bins.edges, bins.highest)]
    n_null = np.count_nonzero(np.isnan(values))
    n_out_of_range = len(values) - n_null - (up_to[-1] - up_to[0])
    return np.array([*np.diff(up_to), n_out_of_range, 0, n_null], dtype=np.int64)


def count_texts(bins: FeatureBins, values: NDArray[np.object_]) -> NDArray[np.int64]:
    """Counts per bin of a numeric feature in a column that may hold text; values: (n,) of str, number or None."""
    numbers = [number_of(value) for value in values]
    counts = count_numeric(bins, np.array([n for n in numbers if n is not None], dtype=np.float64))
    counts[bins.n_bins - 2] = numbers.count(None)
    return counts


def number_of(value: object) -> float | None:
    """The number that a cell holds: NaN for a missing value or blank text, None for text that is no number."""
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
    """Counts per bin; values: (n,) of str, None or NaN means null; result: (n_bins,)."""
    index = {c: i for i, c in enumerate(bins.categories)}
    counts = np.zeros(bins.n_bins, dtype=np.int64)
    for value in values:
        if value is None or value != value:
            counts[bins.null_index] += 1
        else:
            counts[index.get(value, bins.n_bins - 2)] += 1
    return counts
