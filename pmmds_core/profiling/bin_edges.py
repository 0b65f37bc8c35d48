"""Chooses the edges of a numeric feature's bins from its reference values.

Edges are quantiles, adjusted by two rules. First, an edge lies between neighboring values, so that a value with a
rounding error or stored as float32 stays in its bin. Second, a bin with a single reference value, and every bin of a
discrete feature, contains only reference values, so that a new value is counted as unseen. Not here: the bins and their
counts (bins.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pmmds_core.profiling.bins import FeatureBins

# A number counts as equal to a reference value up to this relative difference. The relative precision of float32 is
# 6e-8.
TOLERANCE = 1e-6
# The maximum tolerance around whole numbers, so that two of them are never merged. It applies below 2**53, where floats
# are exact.
WHOLE_TOLERANCE = 0.25
# The tolerance for a column whose only value is 0, because such a column has no scale.
ZERO_TOLERANCE = 1e-9
# A feature with more distinct values is not treated as discrete.
MAX_DISCRETE_VALUES = 50
_A_FEW = 4096

Group = tuple[float, float]


def fit_numeric_bins(
    feature: str, values: NDArray[np.float64], n_bins: int, low: float | None = None, high: float | None = None
) -> FeatureBins:
    """Return bins at the quantiles of the values in range.

    Equal quantiles are merged, so there may be fewer than `n_bins` bins. A feature with at most `n_bins` distinct
    values has a bin for each value, and all other numbers count as unseen. Other numbers also count as unseen if there
    are at most MAX_DISCRETE_VALUES distinct values and none of them occurs only once.

    Args:
        feature: the name of the feature.
        values: an array of shape (n,) with the values, which are NaN for null.
        n_bins: the number of bins, which have equal shares of the reference rows.
        low: the smallest value in range, or None for no limit.
        high: the largest value in range, or None for no limit.
    """
    empty = FeatureBins(feature, "numeric", low=low, high=high)
    # Adding 0.0 converts −0.0 to 0.0.
    in_range = values[(values >= empty.lowest) & (values <= empty.highest)] + 0.0
    if in_range.size == 0:
        return empty
    groups = _groups(in_range, n_bins)
    is_whole = all(float(v).is_integer() for group in groups for v in group) and bool(
        np.array_equal(in_range, np.floor(in_range))
    )
    parts = [[group] for group in groups]
    discrete = _discrete_values(in_range) if len(groups) > 1 else []
    if discrete:
        parts = [_runs([v for v in discrete if a <= v <= b], is_whole=is_whole) for a, b in groups]
    closed = [run for part in parts for run in part]
    continued = {i for i, (part, run) in enumerate((p, r) for p in parts for r in p) if run is not part[0]}
    cuts = _Cuts(closed, is_whole, frozenset(continued), is_discrete=bool(discrete))
    edges, gaps, joined = cuts.within(empty.lowest, empty.highest)
    points = tuple(a for a, b in groups if a == b)
    return FeatureBins(feature, "numeric", edges, (), low, high, gaps, points, is_whole, joined)


def _discrete_values(values: NDArray[np.float64]) -> list[float]:
    """Return the distinct values in ascending order if they are few and each of them occurs more than once.

    Otherwise, the result is empty. A value that occurs only once suggests that another sample has additional values, as
    with a long-tailed count.
    """
    if np.unique(values[:_A_FEW]).size > MAX_DISCRETE_VALUES:
        return []
    distinct, n = np.unique(values, return_counts=True)
    return distinct.tolist() if distinct.size <= MAX_DISCRETE_VALUES and n.min() > 1 else []


def _runs(values: Sequence[float], *, is_whole: bool) -> list[Group]:
    """Return groups of neighboring values in ascending order: runs of consecutive whole numbers, or single values."""
    runs: list[Group] = []
    for value in values:
        if runs and is_whole and value == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return runs


def _groups(values: NDArray[np.float64], n_bins: int) -> list[Group]:
    """Return the smallest and largest value of each bin, in ascending order.

    `values` has shape (n,), is finite and is not empty.
    """
    # Checking the first rows avoids sorting whole columns, because the first rows of most columns have many distinct
    # values.
    if np.unique(values[:_A_FEW]).size <= n_bins:
        distinct = np.unique(values)
        if distinct.size <= n_bins:
            return [(float(v), float(v)) for v in distinct]
    at = np.floor((values.size - 1) * (np.arange(1, n_bins) / n_bins)).astype(np.intp)
    parts = np.split(np.partition(values, at), at + 1)  # every part ends with its own quantile
    last = _ends_of_bins(np.array([part[-1] for part in parts[:-1]]), values)
    first = [float(values.min()), *(_next_larger(parts, end) for end in last)]
    return list(zip(first, [*last, float(values.max())], strict=True))


def _ends_of_bins(quantiles: NDArray[np.float64], values: NDArray[np.float64]) -> list[float]:
    """Return the distinct quantiles below the largest value or, if there are none, the second-largest value."""
    largest = values.max()
    below = np.unique(quantiles[quantiles < largest])
    return [float(v) for v in below] if below.size else [float(values[values < largest].max())]


def _next_larger(parts: Sequence[NDArray[np.float64]], value: float) -> float:
    """Return the smallest number above `value`.

    The `parts` are in ascending order, so only the first part with a larger number is searched.
    """
    for part in parts:
        if (part.size and part[-1] > value) or part is parts[-1]:
            return float(part[part > value].min())
    raise ValueError(f"no number is above {value}")


@dataclass(frozen=True)
class _Cuts:
    """The cut points around groups of reference values.

    `continued` has the indices of the groups that belong to the bin of the preceding group. `is_discrete` is True if a
    group contains only its values, and not the numbers between the group and the next one.
    """

    groups: Sequence[Group]
    is_whole: bool
    continued: frozenset[int] = frozenset()
    is_discrete: bool = False

    def within(self, lowest: float, highest: float) -> tuple[tuple[float, ...], tuple[int, ...], tuple[int, ...]]:
        """Return the edges in [lowest, highest], the indices of the gaps, and the indices of the joined intervals."""
        edges: list[float] = []
        gaps: list[int] = []
        joined: list[int] = []
        for edge, group in self._all():
            if lowest <= edge <= highest and (not edges or edge > edges[-1]):
                edges.append(edge)
                if group is None:
                    gaps.append(len(edges))
                elif group in self.continued:
                    joined.append(len(edges))
        if self._is_closed(0) and edges and edges[0] < self.groups[0][0]:
            gaps.insert(0, 0)
        return tuple(edges), tuple(gaps), tuple(joined)

    def _all(self) -> Iterator[tuple[float, int | None]]:
        """Yield each cut in ascending order, with the index of the group in the interval after the cut.

        The index is None for a gap.
        """
        if self._is_closed(0):
            yield self._below(0), 0
        for i, ((_, left), (right, _)) in enumerate(pairwise(self.groups)):
            yield from self._between(i, left, right)
        last = len(self.groups) - 1
        if self._is_closed(last):
            yield self._above(last), None

    def _between(self, i: int, left: float, right: float) -> Iterator[tuple[float, int | None]]:
        is_left, is_right = self._is_closed(i), self._is_closed(i + 1)
        end, start = self._above(i), self._below(i + 1)
        if is_left and is_right and end < start:
            yield end, None
            yield start, i + 1
        elif is_left:
            yield end, i + 1
        elif is_right:
            yield start, i + 1
        else:
            yield round_between(left, right), i + 1

    def _is_closed(self, i: int) -> bool:
        return self.is_discrete or self.groups[i][0] == self.groups[i][1]

    def _below(self, i: int) -> float:
        value = self.groups[i][0]
        return min(value - self._tolerance(i), math.nextafter(value, -math.inf))

    def _above(self, i: int) -> float:
        return self.groups[i][1] + self._tolerance(i)

    def _tolerance(self, i: int) -> float:
        value = abs(self.groups[i][0])
        distances = [b[0] - a[1] for a, b in pairwise(self.groups[max(i - 1, 0) : i + 2])]
        nearest = min(distances, default=math.inf)
        scale = max(value, nearest) if math.isfinite(nearest) else value
        limits = [TOLERANCE * scale or ZERO_TOLERANCE, nearest / 4]
        return min([*limits, WHOLE_TOLERANCE] if self.is_whole and value < 2**53 else limits)


def round_between(left: float, right: float) -> float:
    """Return a number with few digits from the middle half of the interval between two values.

    The result satisfies left ≤ result < right.
    """
    low, high = left + (right - left) / 4, right - (right - left) / 4
    middle = left + (right - left) / 2
    if not left < low <= high < right:  # no such number lies between adjacent or huge floats
        return left
    digits = -math.floor(math.log10(right - left))
    candidates = (round(middle, d) for d in range(digits - 1, digits + 3))
    return next((c for c in candidates if low <= c <= high), middle)
