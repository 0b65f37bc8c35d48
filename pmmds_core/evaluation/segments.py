"""Compares the champion and the challenger in each segment.

A segment has the rows with one value of a categorical feature. The segments are compared because an overall gain can
hide a regression. All functions are pure. Not here: blocking a promotion because of a worse segment
(policies/promotion.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract
from pmmds_core.models.portable_scorer import Rows
from pmmds_core.statistics.arrays import Labels, Probabilities
from pmmds_core.statistics.classification import auc_interval, paired_auc
from pmmds_core.statistics.multiple_testing import benjamini_hochberg

# With fewer rows of a class, the normal approximation of DeLong's test does not hold.
MIN_ROWS_A_CLASS = 20
_MISSING = "(missing)"
Segments = Mapping[tuple[str, str], NDArray[np.bool_]]


@dataclass(frozen=True)
class SegmentPerformance:
    """The ROC-AUC in one segment.

    The champion's fields are None without a champion. `p_value` is the one-sided p-value of DeLong's test, where the
    null hypothesis is that the challenger is not worse in this segment. `q_value` is adjusted for the number of
    segments by the Benjamini–Hochberg method.
    """

    feature: str
    value: str
    n_rows: int
    n_positive: int
    challenger: float
    low: float
    high: float
    champion: float | None = None
    difference: float | None = None
    standard_error: float | None = None
    p_value: float | None = None
    q_value: float | None = None


@dataclass(frozen=True)
class SmallSegment:
    """A segment with too few rows of a class to be compared."""

    feature: str
    value: str
    n_rows: int
    n_positive: int


def segments_of(rows: Rows, contract: Contract) -> Segments:
    """Return the mask of each segment's rows by feature and value, in the contract's order of values."""
    masks: dict[tuple[str, str], NDArray[np.bool_]] = {}
    for position, feature in enumerate(contract.features):
        if feature.is_numeric:
            continue
        column = np.array([_MISSING if row[position] is None else str(row[position]) for row in rows], dtype=object)
        present = set(column.tolist())
        ordered = [v for v in feature.all_values if v in present]
        for value in (*ordered, *sorted(present - set(ordered))):
            masks[feature.name, value] = np.asarray(column == value, dtype=np.bool_)
    return masks


def measure_segments(
    segments: Segments, labels: Labels, challenger: Probabilities, champion: Probabilities | None
) -> tuple[tuple[SegmentPerformance, ...], tuple[SmallSegment, ...]]:
    """Measure every segment with at least `MIN_ROWS_A_CLASS` rows of each class.

    The other segments are returned as small segments.

    Args:
        segments: the result of `segments_of`, which has masks of shape (n,).
        labels: an array of shape (n,) with the labels.
        challenger: an array of shape (n,) with the probabilities of the challenger.
        champion: an array of shape (n,) with the probabilities of the champion, or None for the first model.
    """
    measured: list[SegmentPerformance] = []
    small: list[SmallSegment] = []
    for (feature, value), mask in segments.items():
        n_rows, n_positive = int(mask.sum()), int(labels[mask].sum())
        if min(n_positive, n_rows - n_positive) < MIN_ROWS_A_CLASS:
            small.append(SmallSegment(feature, value, n_rows, n_positive))
            continue
        own = auc_interval(labels[mask], challenger[mask])
        alone = SegmentPerformance(feature, value, n_rows, n_positive, own.auc, own.low, own.high)
        measured.append(alone if champion is None else _compared(alone, labels[mask], challenger[mask], champion[mask]))
    return _with_q_values(measured), tuple(small)


def worst_segment(segments: Sequence[SegmentPerformance]) -> SegmentPerformance | None:
    """Return the segment with the most significant loss, or None if there are no segments.

    Without a champion, return the segment with the lowest ROC-AUC.
    """
    if not segments:
        return None
    return min(segments, key=lambda s: (-1.0 if s.p_value is None else s.p_value, s.difference or 0.0, s.challenger))


def _compared(
    alone: SegmentPerformance, labels: Labels, challenger: Probabilities, champion: Probabilities
) -> SegmentPerformance:
    paired = paired_auc(labels, champion, challenger)  # null hypothesis: the champion is not better in this segment
    return replace(
        alone,
        champion=paired.first,
        difference=paired.second - paired.first,
        standard_error=paired.standard_error,
        p_value=paired.p_value,
    )


def _with_q_values(segments: Sequence[SegmentPerformance]) -> tuple[SegmentPerformance, ...]:
    tested = [s for s in segments if s.p_value is not None]
    if not tested:
        return tuple(segments)
    q_values = benjamini_hochberg([s.p_value for s in tested if s.p_value is not None])
    return tuple(replace(s, q_value=float(q)) for s, q in zip(tested, q_values, strict=True))
