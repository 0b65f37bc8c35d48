"""The reference profile: fixed bins and reference counts for each feature and the score.

It takes a few kilobytes and is part of the model version. Profiles with the same bins can be merged.
Not here: comparing it with current rows (drift/comparison.py).
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
from pmmds_core.profiling.bin_edges import fit_numeric_bins
from pmmds_core.profiling.bins import (
    SCORE,
    FeatureBins,
    count_categorical,
    count_numeric,
    count_texts,
)

if TYPE_CHECKING:
    from pmmds_core.contracts.contract import Contract, Feature

N_SCORE_BINS = 10

Columns = Mapping[str, NDArray[np.float64] | NDArray[np.object_]]


class FeatureProfile(msgspec.Struct, frozen=True):
    """The bins of one feature with the number of reference rows in each bin.

    Raises:
        ValueError: the number of counts differs from the number of bins.
    """

    bins: FeatureBins
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.counts) != self.bins.n_bins:
            raise ValueError(f"{self.bins.feature} has {len(self.counts)} counts for {self.bins.n_bins} bins")


class ReferenceProfile(msgspec.Struct, frozen=True, dict=True):
    """The binned distribution of the reference data.

    `score` has the probabilities of the reference rows, if there is a model. `contract_digest` is empty if there was no
    contract.
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
        """Return a profile with the same bins and other counts.

        The counts have shape (n_bins,) and are given by feature and `__score__`.
        """
        counted = tuple(FeatureProfile(f.bins, tuple(map(int, counts[f.bins.feature]))) for f in self.with_score)
        score = None if self.score is None else counted[-1]
        return ReferenceProfile(self.contract_digest, n_rows, counted[: len(self.features)], score)

    def to_json(self) -> bytes:
        return msgspec.json.encode(self, order="sorted")

    @staticmethod
    def from_json(raw: bytes) -> ReferenceProfile:
        """Decode a profile.

        Raises msgspec.DecodeError (or its subclass ValidationError) if `raw` is not a profile's JSON.
        """
        return msgspec.json.decode(raw, type=ReferenceProfile)


def fit_profile(contract: Contract, columns: Columns, scores: NDArray[np.float64]) -> ReferenceProfile:
    """Create bins from reference rows, and count the rows in each.

    Args:
        contract: each feature's kind, values, range and number of bins.
        columns: arrays of shape (n,) by feature name. They are float64 with NaN for numeric features, and object with
            None for categorical features.
        scores: an array of shape (n,) with the probabilities of the model for the same rows.
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
    """Return the bins of a feature according to the contract.

    The bins are the quantiles of the reference's `numbers`, which have shape (n,), or the allowed values of a category.
    """
    if not feature.is_numeric:
        return FeatureBins(feature.name, "categorical", categories=feature.all_values)
    return fit_numeric_bins(feature.name, numbers, feature.n_bins, feature.minimum, feature.maximum)


def merge(profiles: Sequence[ReferenceProfile]) -> ReferenceProfile:
    """Merge profiles into the exact profile of all their rows.

    Raises:
        DataError: there are no profiles, or their bins differ.
    """
    if not profiles:
        raise DataError("There are no profiles to merge.", next_step="Pass at least one profile.")
    first = profiles[0]
    for other in profiles[1:]:
        differing = _differing_bins(first, other)
        if differing:
            raise DataError(
                f"The profiles cannot be merged: the bins of {differing} differ.",
                next_step="Create the bins from one reference, and count every partition with these bins.",
            )
    counts = {
        feature.bins.feature: [sum(parts) for parts in zip(*(p.with_score[i].counts for p in profiles), strict=True)]
        for i, feature in enumerate(first.with_score)
    }
    return first.recounted(counts, sum(p.n_rows for p in profiles))


def _differing_bins(first: ReferenceProfile, second: ReferenceProfile) -> str:
    """Return a feature whose bins differ, or an empty string if all bins are equal."""
    left = {f.bins.feature: f.bins for f in first.with_score}
    right = {f.bins.feature: f.bins for f in second.with_score}
    if list(left) != list(right):
        return next(iter(left.keys() ^ right.keys()), "features in a different order")
    return next((name for name, bins in left.items() if right[name] != bins), "")


def count(bins: FeatureBins, values: NDArray[np.float64] | NDArray[np.object_]) -> NDArray[np.int64]:
    """Return the counts of one column per bin, with shape (n_bins,).

    The values of a numeric feature may be objects, including text.
    """
    if bins.kind == "categorical":
        return count_categorical(bins, values)
    if values.dtype == object:
        return count_texts(bins, values.astype(object))
    return count_numeric(bins, values.astype(np.float64))
