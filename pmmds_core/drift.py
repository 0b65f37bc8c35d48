"""How far a window's counts are from the reference's: PSI, KL, JS, per feature and for the score.

Pure functions over counts in the reference's frozen bins. Add a measure here and the laws in test_drift_laws.py face
it. Keep out: rules and verdicts (drift_policy.py), counting (binning.py, stores).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from pmmds_core.chi_square import homogeneity_p_value
from pmmds_core.errors import DataError
from pmmds_core.reference_profile import FeatureProfile, ReferenceProfile

Counts = NDArray[np.int64]

# Added to every bin, so that an empty one has a logarithm. Replacing zeros by a small share distorts rare bins: one
# missing row moves PSI from 0.017 to 0.023 with a replacement of 1e-4, and to 0.0176 with this.
SMOOTHING = 0.5


class Band(StrEnum):
    """The usual words for a PSI; `undetermined` where there were no rows to compare."""

    NONE = "none"
    MODERATE = "moderate"
    SIGNIFICANT = "significant"
    MAJOR = "major"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class BinShare:
    """One bin: which values, and the share of rows (0–1) in it; None without rows."""

    label: str
    reference_share: float | None
    current_share: float | None


@dataclass(frozen=True)
class FeatureDrift:
    """One feature, or the score as `__score__`, against its reference. Measures are None without rows on a side.

    `p_value`: chi-square test of homogeneity. `psi_expected_by_chance`: the mean PSI of two samples this large without
    any drift. `unseen_share`: current rows with a value the reference did not know; None for numeric features.
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


def psi(reference_counts: Counts, current_counts: Counts) -> float:
    """Population Stability Index: Σ (c − r) · ln(c / r) over the bins' shares r and c. Both arguments are (B,).

    0 for equal shares, never negative, symmetric. Siddiqi, Credit Risk Scorecards (2006); Yurdakul, Statistical
    Properties of the Population Stability Index (2018). NaN when a side has no rows.
    """
    r, c = _shares(reference_counts, current_counts)
    return float(np.sum((c - r) * np.log(c / r)))


def kl_divergence(reference_counts: Counts, current_counts: Counts) -> float:
    """Kullback–Leibler divergence of the current from the reference, Σ c · ln(c / r), in nats. Arguments are (B,).

    Kullback and Leibler (1951). NaN when a side has no rows.
    """
    r, c = _shares(reference_counts, current_counts)
    return _not_negative(float(np.sum(c * np.log(c / r))))


def js_divergence(reference_counts: Counts, current_counts: Counts) -> float:
    """Jensen–Shannon divergence in nats, 0 to ln 2: the mean KL divergence from the half-way mixture. Arguments: (B,).

    Lin, Divergence Measures Based on the Shannon Entropy (1991). NaN when a side has no rows.
    """
    r, c = _shares(reference_counts, current_counts)
    middle = (r + c) / 2
    return _not_negative(float(np.sum(r * np.log(r / middle) + c * np.log(c / middle))) / 2)


def js_distance(reference_counts: Counts, current_counts: Counts) -> float:
    """Jensen–Shannon distance: the square root of the divergence in nats, 0 to √ln 2 ≈ 0.833. Arguments: (B,).

    scipy.spatial.distance.jensenshannon with its default base gives the same. Endres and Schindelin (2003).
    """
    return math.sqrt(js_divergence(reference_counts, current_counts))


def psi_expected_by_chance(n_reference: int, n_current: int, n_bins: int) -> float:
    """The mean PSI of two samples of one distribution: (1/N + 1/n) · (B − 1).

    Yurdakul (2018): without drift PSI is about (1/N + 1/n) times a chi-square variable with B − 1 degrees of freedom.
    """
    return (1 / n_reference + 1 / n_current) * (n_bins - 1)


def band(value: float | None) -> Band:
    """The band of a PSI: below 0.1 none, below 0.2 moderate, below 0.25 significant, from there major."""
    if value is None or math.isnan(value):
        return Band.UNDETERMINED
    limits = ((0.1, Band.NONE), (0.2, Band.MODERATE), (0.25, Band.SIGNIFICANT))
    return next((name for limit, name in limits if value < limit), Band.MAJOR)


def compare(
    profile: ReferenceProfile, current_counts: Mapping[str, Counts], n_current: int
) -> tuple[FeatureDrift, ...]:
    """Every feature in the profile's order, then the score.

    Args:
        profile: the reference, of the model that answered the current rows.
        current_counts: feature, and `__score__`, to its counts in the profile's bins; may be empty without rows.
        n_current: current rows.

    Raises:
        DataError: counts are missing, or were made with other bins.
    """
    return tuple(_compare_feature(f, _counts_of(f, current_counts, n_current)) for f in profile.with_score)


def _counts_of(feature: FeatureProfile, current_counts: Mapping[str, Counts], n_current: int) -> Counts:
    bins = feature.bins
    if n_current == 0:
        return np.zeros(bins.n_bins, dtype=np.int64)
    found = current_counts.get(bins.feature)
    if found is None or len(found) != bins.n_bins:
        problem = "no counts" if found is None else f"{len(found)} counts for {bins.n_bins} bins"
        raise DataError(
            f"The current rows cannot be compared: {bins.feature} has {problem}.",
            next_step="Count the rows with the profile of the model that answered them.",
        )
    return np.asarray(found, dtype=np.int64)


def _compare_feature(feature: FeatureProfile, current: Counts) -> FeatureDrift:
    bins, reference = feature.bins, np.asarray(feature.counts, dtype=np.int64)
    n_reference, n_current = int(reference.sum()), int(current.sum())
    is_comparable = n_reference > 0 and n_current > 0
    n_bins = int(((reference + current) > 0).sum())
    value = psi(reference, current) if is_comparable else None
    return FeatureDrift(
        feature=bins.feature,
        kind=bins.kind,
        psi=value,
        kl_divergence=kl_divergence(reference, current) if is_comparable else None,
        js_divergence=js_divergence(reference, current) if is_comparable else None,
        js_distance=js_distance(reference, current) if is_comparable else None,
        band=band(value),
        p_value=homogeneity_p_value(reference, current) if is_comparable else None,
        psi_expected_by_chance=psi_expected_by_chance(n_reference, n_current, n_bins) if is_comparable else None,
        null_share_reference=_share(reference, bins.null_index),
        null_share_current=_share(current, bins.null_index),
        unseen_share=None if bins.unseen_index is None else _share(current, bins.unseen_index),
        bins=tuple(BinShare(label, _share(reference, i), _share(current, i)) for i, label in enumerate(bins.labels)),
    )


def _share(counts: Counts, index: int) -> float | None:
    total = int(counts.sum())
    return None if total == 0 else int(counts[index]) / total


def _not_negative(value: float) -> float:
    """Rounding may leave -1e-17; NaN stays NaN, because nobody could look."""
    return value if math.isnan(value) else max(0.0, value)


def _shares(reference_counts: Counts, current_counts: Counts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smoothed shares of the bins that are not empty on both sides; a side without rows leaves NaN."""
    r, c = np.asarray(reference_counts, dtype=np.float64), np.asarray(current_counts, dtype=np.float64)
    if r.sum() == 0 or c.sum() == 0:
        return np.array([math.nan]), np.array([math.nan])
    used = (r + c) > 0
    r, c = r[used] + SMOOTHING, c[used] + SMOOTHING
    return r / r.sum(), c / c.sum()
