"""The validity of a CBPE estimate, which is valid only inside the support of the reference.

All functions are pure functions of counts. Not here: the estimate (models/calibration.py).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pmmds_core.drift.comparison import psi
from pmmds_core.models.calibration import Calibration
from pmmds_core.profiling.bins import SCORE
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.runtime.plurals import counted
from pmmds_core.statistics.arrays import Probabilities

# A bin with a smaller share of the reference is too rare for the calibration to be valid.
RARE_SHARE = 0.001
MAX_UNSUPPORTED = 0.01
# From this PSI on, drift is major (drift/comparison.py), and the calibration was fitted on a different score
# distribution.
MAX_SCORE_PSI = 0.25
MAX_REASONS = 3


def why_invalid(
    profile: ReferenceProfile,
    calibration: Calibration | None,
    scores: Probabilities,
    counts: Mapping[str, NDArray[np.int64]],
    min_rows: int,
) -> tuple[str, ...]:
    """Return the reasons why the estimate is invalid, or none if the rows are inside the support of the reference.

    Concept drift, where the same rows have different labels, cannot be detected without labels.

    Args:
        profile: the profile of the version that served the rows.
        calibration: the calibration, or None if the version has none.
        scores: an array of shape (n,) with the scores of the rows.
        counts: the rows' counts in the profile's bins, by feature and `__score__`, or empty if the rows have not been
            counted yet.
        min_rows: the minimum number of rows.
    """
    if calibration is None:
        return ("this model version has no calibration",)
    if len(scores) < min_rows:
        return (f"{counted(len(scores), 'row')}; {min_rows:,} are required",)
    if profile.n_rows < min_rows:
        return (f"the reference has {counted(profile.n_rows, 'row')}; {min_rows:,} are required",)
    if not counts:
        return ("the rows are not counted yet, so the reference's coverage is unknown",)
    reasons = [*_score_reasons(profile, calibration, scores, counts), *_feature_reasons(profile, counts)]
    more = len(reasons) - MAX_REASONS
    return (*reasons[:MAX_REASONS], *([f"and {more} more"] if more > 0 else []))


def _score_reasons(
    profile: ReferenceProfile,
    calibration: Calibration,
    scores: Probabilities,
    counts: Mapping[str, NDArray[np.int64]],
) -> list[str]:
    reasons = []
    outside = float(np.mean((scores < calibration.lowest) | (scores > calibration.highest)))
    if outside > MAX_UNSUPPORTED:
        reasons.append(f"{outside:.1%} of the scores are outside the range of the reference")
    if profile.score is None:
        return [*reasons, "the reference profile has no score"]
    moved = psi(np.array(profile.score.counts, dtype=np.int64), counts[SCORE])
    if moved >= MAX_SCORE_PSI:
        reasons.append(f"the score has drifted: PSI {moved:.2f}")
    return reasons


def _feature_reasons(profile: ReferenceProfile, counts: Mapping[str, NDArray[np.int64]]) -> list[str]:
    reasons = []
    for feature in profile.features:
        share = unsupported_share(np.array(feature.counts, dtype=np.int64), counts[feature.bins.feature])
        if share > MAX_UNSUPPORTED:
            name = feature.bins.feature
            reasons.append((share, f"{name}: {share:.1%} of rows have values that are rare in the reference"))
    return [reason for _, reason in sorted(reasons, reverse=True)]


def unsupported_share(reference: NDArray[np.int64], current: NDArray[np.int64]) -> float:
    """Return the share of current rows in bins that hold less than RARE_SHARE of the reference.

    Both arguments have shape (B,).
    """
    n_reference, n_current = int(reference.sum()), int(current.sum())
    if n_reference == 0 or n_current == 0:
        return 0.0 if n_current == 0 else 1.0
    return float(current[reference < RARE_SHARE * n_reference].sum()) / n_current
