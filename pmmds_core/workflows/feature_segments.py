"""Compares one feature of a report's window in each segment of a second, categorical feature.

Not here: counting (stores/monitoring/segment_counts.py), the verdict on segments (drift/segments.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from pmmds_core.deployment import Deployment
from pmmds_core.drift.comparison import FeatureDrift, compare_feature
from pmmds_core.drift.report import DriftReport
from pmmds_core.drift.segments import check_segment_features
from pmmds_core.profiling.reference_profile import FeatureProfile


@dataclass(frozen=True)
class FeatureSegment:
    """The segment `by` = `value`. `drift` compares the feature in the rows of the segment."""

    value: str
    n_reference: int
    n_current: int
    drift: FeatureDrift


def feature_by_segment(deployment: Deployment, report: DriftReport, feature: str, by: str) -> list[FeatureSegment]:
    """Return the segments of a stored report's window, with the largest segment first.

    The result is an empty list if there are no reference rows.

    Raises:
        UsageError: `by` is not a categorical feature.
        StoreError: the version's files cannot be read.
    """
    check_segment_features(deployment.contract, [by])
    bundle = deployment.profiles.bundle(report.model_version)
    rows, profile = bundle.reference_rows, bundle.profile
    if rows is None or rows.profile_digest != profile.digest:
        return []
    columns = {f.bins.feature: i for i, f in enumerate(profile.with_score)}
    bins = profile.with_score[columns[feature]].bins
    labels = profile.with_score[columns[by]].bins.labels
    # Only the two features are counted, because each feature costs a pass over the rows of the window.
    counted = msgspec.structs.replace(
        profile, features=[f for f in profile.features if f.bins.feature in (feature, by)]
    )
    segments = deployment.segments.counts(
        counted, report.model_name, report.model_version, report.window_start, report.window_end, by
    )
    found = []
    for segment in segments:
        inside = rows.codes[rows.codes[:, columns[by]] == labels.index(segment.value)]
        reference = np.bincount(inside[:, columns[feature]], minlength=bins.n_bins)
        in_segment = FeatureProfile(bins, tuple(int(n) for n in reference))
        current = np.asarray(segment.counts[feature], dtype=np.int64)
        drift = compare_feature(in_segment, current)
        found.append(FeatureSegment(segment.value, len(inside), segment.n_rows, drift))
    return sorted(found, key=lambda s: -s.n_current)
