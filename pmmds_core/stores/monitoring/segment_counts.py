"""Counts a window's rows per segment inside the database, in one scan grouped by the segments' feature.

Not here: the counting expressions (bin_counts.py), comparing (drift/segments.py).
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract
from pmmds_core.drift.segments import SegmentCounts
from pmmds_core.profiling.bins import FeatureBins
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import prediction_logs
from pmmds_core.stores.monitoring.bin_counts import count_groups, rows_of_version
from pmmds_core.stores.predictions.archive import PredictionArchive, logged_rows


class SegmentStore:
    """Counts the prediction log of one contract by the values of a categorical feature."""

    def __init__(self, database: Database, contract: Contract, archive: PredictionArchive | None = None) -> None:
        self._database = database
        self._log = prediction_logs(contract)
        self._archive = archive

    def counts(
        self, profile: ReferenceProfile, model_name: str, model_version: str, start: datetime, end: datetime, by: str
    ) -> list[SegmentCounts]:
        """The segments of the rows that a version predicted in [start, end), in the order of the feature's bins.

        A value that occurs only in the reference is a segment without rows. Values without a bin share the segment
        `(unseen)`.

        Args:
            profile: the version's profile.
            model_name: name of the model.
            model_version: the version to count.
            start: start of the window (aware).
            end: end of the window (aware, exclusive).
            by: the categorical feature that defines the segments.
        """
        segmented = next(f for f in profile.features if f.bins.feature == by)
        conditions = rows_of_version(self._log, model_name, model_version, start, end)
        with logged_rows(self._database, self._archive, start, end) as logged:
            groups = [
                group
                for source in logged.sources
                for group in count_groups(source, self._log, profile, self._log.c[by], conditions).items()
            ]
        totals: dict[str, tuple[int, dict[str, NDArray[np.int64]]]] = {}
        for value, (n_rows, counts) in groups:
            label = _label(segmented.bins, value)
            n_before, before = totals.get(label, (0, _no_rows(profile)))
            totals[label] = n_before + n_rows, {name: before[name] + np.array(c) for name, c in counts.items()}
        return [
            SegmentCounts(by, label, *totals.get(label, (0, _no_rows(profile))))
            for label, n_reference in zip(segmented.bins.labels, segmented.counts, strict=True)
            if n_reference or label in totals
        ]


def _label(bins: FeatureBins, value: str | None) -> str:
    if value is None:
        return bins.labels[bins.null_index]
    return value if value in bins.categories else bins.labels[bins.unseen_index]


def _no_rows(profile: ReferenceProfile) -> dict[str, NDArray[np.int64]]:
    return {f.bins.feature: np.zeros(f.bins.n_bins, dtype=np.int64) for f in profile.with_score}
