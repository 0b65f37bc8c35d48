"""Detects drift within segments: the current and the reference rows with one value of a categorical feature.

A shift in one segment can be invisible in the whole window. Not here: counting the current rows
(stores/monitoring/segment_counts.py), rules over whole windows (rules/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract
from pmmds_core.drift.comparison import Counts, FeatureDrift, compare_feature
from pmmds_core.drift.rules.rule_verdict import finding
from pmmds_core.errors import UsageError
from pmmds_core.profiling.bins import SCORE
from pmmds_core.profiling.reference_profile import FeatureProfile, ReferenceProfile
from pmmds_core.profiling.reference_rows import Codes
from pmmds_core.runtime.plurals import counted
from pmmds_core.statistics.multiple_testing import benjamini_hochberg
from pmmds_core.statistics.p_values import format_p_value
from pmmds_core.statistics.verdict import Verdict


@dataclass(frozen=True)
class SegmentCounts:
    """The current rows of one segment.

    `value` is a bin label of `feature`. `counts` maps each feature to counts of shape (n_bins,).
    """

    feature: str
    value: str
    n_rows: int
    counts: Mapping[str, Counts]


@dataclass(frozen=True)
class SegmentDrift:
    """The verdict on one segment, with the feature that changed most among the segment's rows.

    `worst_q_value` is adjusted by the Benjamini–Hochberg method over all features of all segments with enough rows.
    """

    feature: str
    value: str
    n_reference: int
    n_current: int
    verdict: Verdict
    reasons: tuple[str, ...]
    worst_feature: str | None = None
    worst_psi: float | None = None
    worst_q_value: float | None = None


def check_segment_features(contract: Contract, features: Sequence[str]) -> None:
    """Raise UsageError for a name that is not a categorical feature of the contract."""
    for name in features:
        if name not in contract.categorical_names:
            raise UsageError(
                f"The report cannot be split by {name!r}, which is not a categorical feature of the contract.",
                next_step=f"Allowed: {', '.join(contract.categorical_names)}.",
            )


def compare_segments(
    profile: ReferenceProfile,
    reference: Codes,
    current: Sequence[SegmentCounts],
    *,
    false_alarm_rate: float,
    min_samples: int,
) -> tuple[SegmentDrift, ...]:
    """Test each segment, which has drifted if one of its features has a q-value of at most `false_alarm_rate`.

    Without drift, the probability that any segment is called drifted is at most that rate.

    Args:
        profile: the profile whose bins are used.
        reference: an array of shape (N, n_features) with bin numbers of reference rows.
        current: all segments with rows on either side.
        false_alarm_rate: the rate, from 0 to 1.
        min_samples: the minimum number of rows of a segment on each side.
    """
    columns = {f.bins.feature: i for i, f in enumerate(profile.with_score)}
    sides: list[tuple[SegmentCounts, int, list[FeatureDrift]]] = []
    for segment in current:
        bins = profile.with_score[columns[segment.feature]].bins
        rows = reference[reference[:, columns[segment.feature]] == bins.labels.index(segment.value)]
        enough = min(len(rows), segment.n_rows) >= min_samples
        sides.append((segment, len(rows), _compared(profile, rows, segment) if enough else []))
    p_values = [f.p_value or 0.0 for *_, features in sides for f in features]
    q_values = iter(benjamini_hochberg(p_values)) if p_values else iter(())
    return tuple(
        _judged(s, n, [(f, float(next(q_values))) for f in features], false_alarm_rate, min_samples)
        for s, n, features in sides
    )


def _compared(profile: ReferenceProfile, rows: Codes, segment: SegmentCounts) -> list[FeatureDrift]:
    """Return all features except the score and the segment's own feature, which is constant within the segment."""
    compared = []
    for i, f in enumerate(profile.with_score):
        if f.bins.feature not in (SCORE, segment.feature):
            counted: NDArray[np.intp] = np.bincount(rows[:, i], minlength=f.bins.n_bins)
            in_segment = FeatureProfile(f.bins, tuple(int(n) for n in counted))
            compared.append(compare_feature(in_segment, np.asarray(segment.counts[f.bins.feature], dtype=np.int64)))
    return compared


def _judged(
    segment: SegmentCounts,
    n_reference: int,
    features: Sequence[tuple[FeatureDrift, float]],
    rate: float,
    min_samples: int,
) -> SegmentDrift:
    head = (segment.feature, segment.value, n_reference, segment.n_rows)
    if not features:
        reason = (
            f"{counted(segment.n_rows, 'row')} against {n_reference:,}; at least {min_samples:,} on each "
            "side are required."
        )
        return SegmentDrift(*head, Verdict.INSUFFICIENT_DATA, (reason,))
    ordered = sorted(features, key=lambda pair: (pair[1], pair[0].p_value or 0.0, -(pair[0].psi or 0.0)))
    worst, q_value = ordered[0]
    moved = [f for f, q in ordered if q <= rate]
    if moved:
        verdict, reasons = Verdict.DRIFTED, tuple(finding(f) for f in moved[:3])
    else:
        verdict, reasons = Verdict.STABLE, (f"Smallest q-value: {worst.feature} ({format_p_value(q_value)}).",)
    return SegmentDrift(*head, verdict, reasons, worst.feature, worst.psi, q_value)
