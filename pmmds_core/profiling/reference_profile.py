"""The reference profile: bins frozen on the reference and its counts, per feature and for the score.

A few kilobytes, mergeable, travels with the model version. Keep out: judging it (drift/comparison.py,
policies/promotion.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from pmmds_core.errors import DataError
from pmmds_core.profiling.bins import (
    SCORE,
    FeatureBins,
    count_categorical,
    count_numeric,
    count_texts,
    fit_numeric_bins,
)

if TYPE_CHECKING:
    from pmmds_core.contracts.contract import Contract, Feature

N_SCORE_BINS = 10

Columns = Mapping[str, NDArray[np.float64] | NDArray[np.object_]]


class FeatureProfile(msgspec.Struct, frozen=True):
    """Bins of one feature and how many reference rows fell into each.

    Raises:
        ValueError: not one count for each bin.
    """

    bins: FeatureBins
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.counts) != self.bins.n_bins:
            raise ValueError(f"{self.bins.feature} has {len(self.counts)} counts for {self.bins.n_bins} bins")


class ReferenceProfile(msgspec.Struct, frozen=True, dict=True):
    """What a reference looked like. `score` is the model's probability on the reference rows, where there is a model.

    `contract_digest` is empty where the bins were made without a contract.
    """

    contract_digest: str
    n_rows: int
    features: tuple[FeatureProfile, ...]
    score: FeatureProfile | None = None

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.to_json()).hexdigest()

    @property
    def with_score(self) -> tuple[FeatureProfile, ...]:
        return self.features if self.score is None else (*self.features, self.score)

    def recounted(self, counts: Mapping[str, Sequence[int]], n_rows: int) -> ReferenceProfile:
        """The same bins with the counts of other rows: feature, and `__score__`, to (n_bins,)."""
        counted = tuple(FeatureProfile(f.bins, tuple(map(int, counts[f.bins.feature]))) for f in self.with_score)
        score = None if self.score is None else counted[-1]
        return ReferenceProfile(self.contract_digest, n_rows, counted[: len(self.features)], score)

    def to_json(self) -> bytes:
        return msgspec.json.encode(self, order="sorted")

    @staticmethod
    def from_json(raw: bytes) -> ReferenceProfile:
        """Raises msgspec.DecodeError (ValidationError among them) for anything but a profile's JSON."""
        return msgspec.json.decode(raw, type=ReferenceProfile)


def fit_profile(contract: Contract, columns: Columns, scores: NDArray[np.float64]) -> ReferenceProfile:
    """Freeze the bins.

    Args:
        contract: tells each feature's kind, values, range and number of bins.
        columns: feature name to (n,) array; float64 with NaN for numeric, object with None for categorical.
        scores: (n,) probabilities of the model on the same rows.
    """
    features = []
    for feature in contract.features:
        values = columns[feature.name]
        numbers = values.astype(np.float64) if feature.is_numeric else np.array([])
        bins = bins_of_feature(feature, numbers)
        features.append(FeatureProfile(bins, tuple(int(c) for c in count(bins, values))))
    score_bins = fit_numeric_bins(SCORE, scores, N_SCORE_BINS, low=0.0, high=1.0)
    score = FeatureProfile(score_bins, tuple(int(c) for c in count_numeric(score_bins, scores)))
    return ReferenceProfile(contract.digest, len(scores), tuple(features), score)


def bins_of_feature(feature: Feature, numbers: NDArray[np.float64]) -> FeatureBins:
    """The contract's bins: quantiles of the reference's `numbers`, (n,), or the allowed values of a categorical."""
    if not feature.is_numeric:
        return FeatureBins(feature.name, "categorical", categories=feature.all_values)
    return fit_numeric_bins(feature.name, numbers, feature.n_bins, feature.minimum, feature.maximum)


def merge(profiles: Sequence[ReferenceProfile]) -> ReferenceProfile:
    """The profile of all rows together, exactly: counts of the same bins add up.

    Raises:
        DataError: the profiles do not have the same bins, or there is none.
    """
    if not profiles:
        raise DataError("There is no profile to merge.", next_step="Give at least one.")
    first = profiles[0]
    for other in profiles[1:]:
        differing = _differing_bins(first, other)
        if differing:
            raise DataError(
                f"The profiles cannot be merged: the bins of {differing} differ.",
                next_step="Freeze the bins on one reference and count every partition with them.",
            )
    counts = {
        one.bins.feature: [sum(parts) for parts in zip(*(p.with_score[i].counts for p in profiles), strict=True)]
        for i, one in enumerate(first.with_score)
    }
    return first.recounted(counts, sum(p.n_rows for p in profiles))


def _differing_bins(one: ReferenceProfile, other: ReferenceProfile) -> str:
    """Names a feature whose bins are not the same in both, or is empty."""
    mine = {f.bins.feature: f.bins for f in one.with_score}
    theirs = {f.bins.feature: f.bins for f in other.with_score}
    if list(mine) != list(theirs):
        return next(iter(mine.keys() ^ theirs.keys()), "features in another order")
    return next((name for name, bins in mine.items() if theirs[name] != bins), "")


def count(bins: FeatureBins, values: NDArray[np.float64] | NDArray[np.object_]) -> NDArray[np.int64]:
    """Counts per bin of one column; result: (n_bins,). A numeric feature's values may be objects, text among them."""
    if bins.kind == "categorical":
        return count_categorical(bins, values)
    if values.dtype == object:
        return count_texts(bins, values.astype(object))
    return count_numeric(bins, values.astype(np.float64))
