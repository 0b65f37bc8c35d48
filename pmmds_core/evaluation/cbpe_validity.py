"""Whether an estimate without labels can be trusted: only inside what the reference covered.

Pure functions over counts. Keep out: the estimate itself (models/calibration.py).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pmmds_core.drift.comparison import psi
from pmmds_core.models.calibration import Calibration
from pmmds_core.profiling.bins import SCORE
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.statistics.arrays import Probabilities

# A bin with less of the reference than this taught the calibration nothing about rows like these.
RARE_SHARE = 0.001
MAX_UNSUPPORTED = 0.01
# From here a PSI is major (drift/comparison.py): the calibration was fitted on another mix of scores.
MAX_SCORE_PSI = 0.25
MAX_REASONS = 3


def why_invalid(
    profile: ReferenceProfile,
    calibration: Calibration | None,
    scores: Probabilities,
    counts: Mapping[str, NDArray[np.int64]],
    min_rows: int,
) -> tuple[str, ...]:
    """Reasons against an estimate; none means that it is inside the reference's support.

    A concept change, the same rows with other truths, cannot be seen here or anywhere without labels.

    Args:
        profile: of the model that answered.
        calibration: None for a version that was made without one.
        scores: (n,) of the rows.
        counts: feature, and `__score__`, to the rows' counts in the profile's bins; empty when they were not counted.
        min_rows: fewer rows are too few.
    """
    if calibration is None:
        return ("this model version carries no calibration; the next one that is trained will",)
    if len(scores) < min_rows:
        return (f"{len(scores):,} rows; {min_rows:,} are needed",)
    if not counts:
        return ("the rows were not counted yet, so nobody knows whether the reference covers them",)
    reasons = [*_score_reasons(profile, calibration, scores, counts), *_feature_reasons(profile, counts)]
    more = len(reasons) - MAX_REASONS
    return (*reasons[:MAX_REASONS], *([f"and {more} more of the kind"] if more > 0 else []))


def _score_reasons(
    profile: ReferenceProfile,
    calibration: Calibration,
    scores: Probabilities,
    counts: Mapping[str, NDArray[np.int64]],
) -> list[str]:
    reasons = []
    outside = float(np.mean((scores < calibration.lowest) | (scores > calibration.highest)))
    if outside > MAX_UNSUPPORTED:
        reasons.append(f"{outside:.1%} of the scores are outside those of the reference")
    if profile.score is None:
        return [*reasons, "the reference profile has no score"]
    moved = psi(np.array(profile.score.counts, dtype=np.int64), counts[SCORE])
    if moved >= MAX_SCORE_PSI:
        reasons.append(f"the score has drifted: PSI {moved:.2f}")
    return reasons


def _feature_reasons(profile: ReferenceProfile, counts: Mapping[str, NDArray[np.int64]]) -> list[str]:
    found = []
    for feature in profile.features:
        share = unsupported_share(np.array(feature.counts, dtype=np.int64), counts[feature.bins.feature])
        if share > MAX_UNSUPPORTED:
            found.append((share, f"{feature.bins.feature}: {share:.1%} of rows are where the reference has hardly any"))
    return [words for _, words in sorted(found, reverse=True)]


def unsupported_share(reference: NDArray[np.int64], current: NDArray[np.int64]) -> float:
    """Share of current rows in bins that hold less than RARE_SHARE of the reference; both (B,)."""
    n_reference, n_current = int(reference.sum()), int(current.sum())
    if n_reference == 0 or n_current == 0:
        return 0.0 if n_current == 0 else 1.0
    return float(current[reference < RARE_SHARE * n_reference].sum()) / n_current
