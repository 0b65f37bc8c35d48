"""Merges bins into a few levels per feature and returns them as one-hot rows for the rule `joint`.

Not here: the comparison of the rows (joint.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pmmds_core.drift.statements import special_indices
from pmmds_core.profiling.reference_profile import FeatureProfile, ReferenceProfile
from pmmds_core.profiling.reference_rows import Codes
from pmmds_core.statistics.arrays import Matrix

# The number is limited because a table of ten by ten cells would need thousands of rows.
MAX_LEVELS = 5
# Rarer categories share a level, unless their total share is below MIN_REST. In that case, they have no level.
MIN_SHARE = 0.05
MIN_REST = 0.02
# A feature with a larger share of rows without a level is excluded. Such a feature is covered by the rules on single
# features.
MAX_UNKNOWN = 0.05


@dataclass(frozen=True)
class Levels:
    """The rows of both sides, with the current rows first.

    `one_hot` has shape (n, L) and contains 0 and 1. `feature_of` has shape (L,) and contains the index of each level's
    feature.
    """

    features: tuple[str, ...]
    one_hot: Matrix
    feature_of: NDArray[np.intp]
    n_current: int

    @classmethod
    def of(cls, profile: ReferenceProfile, reference: Codes, current: Codes) -> Levels:
        """Return the rows of both sides that have a level in every included feature.

        The arguments are bin numbers of shape (n, n_features).
        """
        level_of = {f.bins.feature: levels_of(f) for f in profile.features}
        sides = [
            {name: level[side[:, i]] for i, (name, level) in enumerate(level_of.items())}
            for side in (current, reference)
        ]
        names = tuple(
            name
            for name in level_of
            if level_of[name].max(initial=0) > 0 and max(float((s[name] < 0).mean()) for s in sides) <= MAX_UNKNOWN
        )
        complete = [_rows(side, names) for side in sides]
        rows = np.vstack(complete)
        n_levels = [int(level_of[name].max()) + 1 for name in names]
        blocks = [(rows[:, [i]] == np.arange(n)).astype(np.float64) for i, n in enumerate(n_levels)]
        one_hot = np.hstack(blocks) if blocks else np.zeros((len(rows), 0))
        return cls(names, one_hot, np.repeat(np.arange(len(names)), n_levels), len(complete[0]))

    @cached_property
    def membership(self) -> Matrix:
        """The membership matrix of shape (L, F), which is 1 if the level belongs to the feature and 0 otherwise."""
        member: Matrix = (self.feature_of[:, None] == np.arange(len(self.features))).astype(np.float64)
        return member

    @cached_property
    def is_used(self) -> NDArray[np.bool_]:
        """An array of shape (L, L) that is True for the cells that have a row on either side."""
        used: NDArray[np.bool_] = (self.one_hot.T @ self.one_hot) > 0
        return used

    @cached_property
    def _n_cells(self) -> Matrix:
        cells: Matrix = self.membership.T @ self.is_used.astype(np.float64) @ self.membership
        return cells

    @cached_property
    def n_cells_by_level_pair(self) -> Matrix:
        """The number of used cells in the table of each cell's feature pair, as an array of shape (L, L)."""
        return self._n_cells[np.ix_(self.feature_of, self.feature_of)]

    @cached_property
    def _pairs(self) -> NDArray[np.intp]:
        return np.array(list(combinations(range(len(self.features)), 2)), dtype=np.intp)

    @property
    def first(self) -> NDArray[np.intp]:
        return self._pairs[:, 0]

    @property
    def second(self) -> NDArray[np.intp]:
        return self._pairs[:, 1]

    @cached_property
    def degrees(self) -> Matrix:
        """The degrees of freedom of each pair's table given both margins, with shape (n_pairs,).

        They are at least 1.
        """
        n_levels = self.membership.sum(axis=0)
        cells = self._n_cells[self.first, self.second]
        free: Matrix = np.maximum(cells - n_levels[self.first] - n_levels[self.second] + 1, 1.0)
        return free


def levels_of(feature: FeatureProfile) -> NDArray[np.intp]:
    """Return the level of each bin, with shape (n_bins,). It is −1 if the reference has too few rows in the bin."""
    counts = np.asarray(feature.counts, dtype=np.float64)
    shares = counts / max(counts.sum(), 1.0)
    special = special_indices(feature.bins)
    is_value = np.array([i not in special for i in range(len(shares))])
    level = np.full(len(shares), -1, dtype=np.intp)
    if feature.bins.kind == "numeric":
        middle = np.cumsum(shares * is_value) - shares * is_value / 2
        fifth = np.minimum(
            (middle / max(float(shares[is_value].sum()), 1e-12) * MAX_LEVELS).astype(np.intp), MAX_LEVELS - 1
        )
        level[is_value] = _renumbered(fifth[is_value])
    else:
        large = [i for i in np.argsort(-shares, kind="stable")[:MAX_LEVELS] if is_value[i] and shares[i] >= MIN_SHARE]
        level[large] = np.arange(len(large))
        rest = [i for i in np.flatnonzero(is_value) if level[i] < 0]
        if shares[rest].sum() >= MIN_REST:
            level[rest] = len(large)
    if shares[feature.bins.null_index] >= MIN_SHARE:
        level[feature.bins.null_index] = level.max() + 1
    return level


def _renumbered(level: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.unique(level, return_inverse=True)[1].astype(np.intp)


def _rows(side: Mapping[str, NDArray[np.intp]], names: tuple[str, ...]) -> NDArray[np.intp]:
    """Return the levels, with shape (n, F), of the rows that have a level in every feature."""
    rows = np.stack([side[name] for name in names], axis=1) if names else np.zeros((0, 0), dtype=np.intp)
    complete: NDArray[np.intp] = rows[(rows >= 0).all(axis=1)]
    return complete
