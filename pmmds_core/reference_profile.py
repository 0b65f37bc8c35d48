"""The reference profile: bins frozen on the reference and its counts, per feature and for the score.

A few kilobytes, mergeable, travels with the model version. Keep out: judging it (drift.py, policy.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from pmmds_core.binning import SCORE, FeatureBins, count_categorical, count_numeric, fit_numeric_bins
from pmmds_core.contracts.contract import Contract

Columns = Mapping[str, NDArray[np.float64] | NDArray[np.object_]]


class FeatureProfile(msgspec.Struct, frozen=True):
    """Bins of one feature and how many reference rows fell into each."""

    bins: FeatureBins
    counts: tuple[int, ...]


class ReferenceProfile(msgspec.Struct, frozen=True, dict=True):
    """What the model's reference looked like. `score` is the model's probability on the reference rows."""

    contract_digest: str
    n_rows: int
    features: tuple[FeatureProfile, ...]
    score: FeatureProfile

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.to_json()).hexdigest()

    @property
    def with_score(self) -> tuple[FeatureProfile, ...]:
        return (*self.features, self.score)

    def to_json(self) -> bytes:
        return msgspec.json.encode(self, order="sorted")

    @staticmethod
    def from_json(raw: bytes) -> ReferenceProfile:
        return msgspec.json.decode(raw, type=ReferenceProfile)


def fit_profile(contract: Contract, columns: Columns, scores: NDArray[np.float64]) -> ReferenceProfile:
    """Freeze the bins.

    Args:
        contract: tells each feature's kind, values and number of bins.
        columns: feature name to (n,) array; float64 with NaN for numeric, object with None for categorical.
        scores: (n,) probabilities of the model on the same rows.
    """
    features = []
    for feature in contract.features:
        values = columns[feature.name]
        if feature.is_numeric:
            bins = fit_numeric_bins(feature.name, values.astype(np.float64), feature.n_bins)
        else:
            bins = FeatureBins(feature.name, "categorical", categories=feature.all_values)
        features.append(FeatureProfile(bins, tuple(int(c) for c in count(bins, values))))
    score_bins = fit_numeric_bins(SCORE, scores, 10)
    score = FeatureProfile(score_bins, tuple(int(c) for c in count_numeric(score_bins, scores)))
    return ReferenceProfile(contract.digest, len(scores), tuple(features), score)


def count(bins: FeatureBins, values: NDArray[np.float64] | NDArray[np.object_]) -> NDArray[np.int64]:
    """Counts per bin of one column; result: (n_bins,)."""
    if bins.kind == "numeric":
        return count_numeric(bins, values.astype(np.float64))
    return count_categorical(bins, values)
