"""Compares the counts of a window with the counts of the reference.

The result has all measures and a statement for each feature and for the score. All functions are pure functions of
counts in the frozen bins of the reference. Not here: the measures (measures.py), rules and verdicts (policy.py, rules/)
and counting (profiling/bins.py, stores/).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from pmmds_core.drift.measures import (
    MEASURES,
    SMOOTHING,
    Measure,
    js_distance,
    js_divergence,
    kl_divergence,
    psi,
    psi_expected_by_chance,
)
from pmmds_core.drift.statements import moved_bins, special_indices, statement
from pmmds_core.errors import DataError
from pmmds_core.profiling.bins import SCORE, FeatureBins
from pmmds_core.profiling.reference_profile import FeatureProfile, ReferenceProfile
from pmmds_core.statistics import homogeneity
from pmmds_core.statistics.arrays import Counts
from pmmds_core.statistics.multiple_testing import benjamini_hochberg

__all__ = [
    "MEASURES",
    "SMOOTHING",
    "Band",
    "BinShare",
    "Counts",
    "FeatureDrift",
    "Measure",
    "band",
    "compare",
    "compare_feature",
    "js_distance",
    "js_divergence",
    "kl_divergence",
    "psi",
    "psi_expected_by_chance",
    "with_q_values",
]


class Band(StrEnum):
    """The severity of a PSI value. It is `undetermined` if there were no rows to compare."""

    NONE = "none"
    MODERATE = "moderate"
    SIGNIFICANT = "significant"
    MAJOR = "major"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class BinShare:
    """One bin and the share of rows in it, as a number from 0 to 1. A share is None if that side has no rows."""

    label: str
    reference_share: float | None
    current_share: float | None


@dataclass(frozen=True)
class FeatureDrift:
    """One feature, or the score as `__score__`, compared with the reference.

    The measures are None if a side has no rows. `wasserstein_distance` and `ks_distance` are also None for categorical
    features. `p_value` is for the hypothesis that both sides have the same distribution (statistics/homogeneity.py).
    `q_value` is the p-value adjusted by the Benjamini–Hochberg method over all features, which do not include the
    score. `psi_expected_by_chance` is the mean PSI of two samples of these sizes without drift. `unseen_share` is the
    share of current rows with a value that is not in the reference. `lost_share` is the share of reference rows with a
    value that no current row has, or None for numeric features. `out_of_range_share` is the share of current rows
    outside the contract's range, or None for categorical features. `statement` describes the largest change in a
    sentence without a period.
    """

    feature: str
    kind: str
    psi: float | None
    kl_divergence: float | None
    js_divergence: float | None
    js_distance: float | None
    band: Band
    p_value: float | None
    psi_expected_by_chance: float | None
    null_share_reference: float | None
    null_share_current: float | None
    unseen_share: float | None
    bins: tuple[BinShare, ...]
    wasserstein_distance: float | None = None
    ks_distance: float | None = None
    q_value: float | None = None
    lost_share: float | None = None
    out_of_range_share: float | None = None
    statement: str = ""
    moved_bins: tuple[BinShare, ...] = ()


def band(value: float | None) -> Band:
    """Return the band of a PSI.

    The band is none below 0.1, moderate below 0.2, significant below 0.25, and major from there on.
    """
    if value is None or math.isnan(value):
        return Band.UNDETERMINED
    limits = ((0.1, Band.NONE), (0.2, Band.MODERATE), (0.25, Band.SIGNIFICANT))
    return next((name for limit, name in limits if value < limit), Band.MAJOR)


def compare(
    profile: ReferenceProfile, current_counts: Mapping[str, Counts], n_current: int
) -> tuple[FeatureDrift, ...]:
    """Compare every feature in the order of the profile, then the score.

    Args:
        profile: the reference profile of the model version that served the current rows.
        current_counts: the counts in the profile's bins by feature and `__score__`, which may be empty if there are no
            rows.
        n_current: the number of current rows.

    Raises:
        DataError: counts are missing or have the wrong number of bins.
    """
    return with_q_values([compare_feature(f, _counts_of(f, current_counts, n_current)) for f in profile.with_score])


def with_q_values(features: Sequence[FeatureDrift]) -> tuple[FeatureDrift, ...]:
    """Add the q-values of all features that have a p-value. The q-value of the score is its p-value."""
    judged = {f.feature: f.p_value for f in features if f.p_value is not None and f.feature != SCORE}
    q_values = dict(zip(judged, map(float, benjamini_hochberg(list(judged.values()))), strict=True))
    return tuple(replace(f, q_value=f.p_value if f.feature == SCORE else q_values.get(f.feature)) for f in features)


def _counts_of(feature: FeatureProfile, current_counts: Mapping[str, Counts], n_current: int) -> Counts:
    bins = feature.bins
    if n_current == 0:
        return np.zeros(bins.n_bins, dtype=np.int64)
    counts = current_counts.get(bins.feature)
    if counts is None or len(counts) != bins.n_bins:
        problem = "no counts" if counts is None else f"{len(counts)} counts for {bins.n_bins} bins"
        raise DataError(
            f"The current rows cannot be compared: {bins.feature} has {problem}.",
            next_step="Count the rows with the profile of the model version that served them.",
        )
    return np.asarray(counts, dtype=np.int64)


def compare_feature(feature: FeatureProfile, current: Counts) -> FeatureDrift:
    """Compare one feature without computing a q-value.

    `current` has the counts in the profile's bins, with shape (n_bins,). Without rows, all counts are 0.
    """
    bins, reference = feature.bins, np.asarray(feature.counts, dtype=np.int64)
    n_reference, n_current = int(reference.sum()), int(current.sum())
    is_comparable = n_reference > 0 and n_current > 0
    is_numeric = bins.kind == "numeric"
    n_ordered = bins.n_ordered
    measured = {
        name: measure.compute(reference, current, n_ordered)
        for name, measure in MEASURES.items()
        if is_comparable and (is_numeric or not measure.needs_order)
    }
    r_shares = reference / n_reference if n_reference else None
    c_shares = current / n_current if n_current else None
    special = special_indices(bins)
    n_used = int(((reference + current) > 0).sum())
    shares = tuple(BinShare(label, _share(reference, i), _share(current, i)) for i, label in enumerate(bins.labels))
    moved = moved_bins(r_shares, c_shares) if r_shares is not None and c_shares is not None else []
    return FeatureDrift(
        feature=bins.feature,
        kind=bins.kind,
        psi=measured.get("psi"),
        kl_divergence=measured.get("kl_divergence"),
        js_divergence=measured.get("js_divergence"),
        js_distance=measured.get("js_distance"),
        wasserstein_distance=measured.get("wasserstein_distance"),
        ks_distance=measured.get("ks_distance"),
        band=band(measured.get("psi")),
        p_value=_p_value(bins, reference, current) if is_comparable else None,
        psi_expected_by_chance=psi_expected_by_chance(n_reference, n_current, n_used) if is_comparable else None,
        null_share_reference=_share(reference, bins.null_index),
        null_share_current=_share(current, bins.null_index),
        unseen_share=_share(current, bins.unseen_index),
        lost_share=None if is_numeric else _lost_share(reference, current, special),
        out_of_range_share=_share(current, bins.out_of_range_index),
        statement=statement(bins, r_shares, c_shares),
        moved_bins=tuple(shares[i] for i in moved),
        bins=shares,
    )


def _p_value(bins: FeatureBins, reference: Counts, current: Counts) -> float:
    return homogeneity.p_value(
        reference, current, special_indices(bins) - {bins.unseen_index}, unseen=bins.unseen_index
    )


def _share(counts: Counts, index: int | None) -> float | None:
    total = int(counts.sum())
    return None if total == 0 or index is None else int(counts[index]) / total


def _lost_share(reference: Counts, current: Counts, special: Collection[int]) -> float | None:
    """Return the share of reference rows whose value no current row has, or None if a side has no rows."""
    if not reference.any() or not current.any():
        return None
    lost = sum(int(reference[i]) for i in range(len(reference)) if i not in special and current[i] == 0)
    return lost / int(reference.sum())
