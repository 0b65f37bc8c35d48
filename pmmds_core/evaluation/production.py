"""Realized performance in production by model version, on labeled rows.

Not here: metrics (statistics/classification.py), reading rows (stores/predictions/labels.py).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pmmds_core.evaluation.labelled_rows import LabelledRows
from pmmds_core.statistics.classification import auc_interval, classification_metrics, has_both_classes
from pmmds_core.statistics.verdict import Verdict


@dataclass(frozen=True)
class VersionPerformance:
    """The performance of one model version.

    If there are too few rows, or too few of one class, the metrics are None and never zero.
    """

    model_version: str
    n_rows: int
    verdict: Verdict
    positive_share: float | None
    roc_auc: float | None = None
    roc_auc_low: float | None = None
    roc_auc_high: float | None = None
    accuracy: float | None = None
    brier_score: float | None = None

    def to_row(self) -> dict[str, Any]:
        # A plain string, because Dagster does not serialize enums.
        return {**asdict(self), "verdict": self.verdict.value}


@dataclass(frozen=True)
class PerformanceReport:
    """The performance of all versions that have labeled rows."""

    n_rows: int
    versions: tuple[VersionPerformance, ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps([v.to_row() for v in self.versions]).encode()).hexdigest()


def measure_production(rows: LabelledRows, min_rows: int) -> PerformanceReport:
    """Measure the logged probabilities against the labels.

    Args:
        rows: labeled production rows.
        min_rows: a version with fewer rows has insufficient data.
    """
    versions = [_measure(rows, version, min_rows) for version in sorted(set(rows.model_versions.tolist()), key=_order)]
    return PerformanceReport(len(rows.labels), tuple(versions))


def _order(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdigit() else (0, version)


def _measure(rows: LabelledRows, version: str, min_rows: int) -> VersionPerformance:
    of_version = rows.model_versions == version
    labels = rows.labels[of_version].astype(np.int64)
    probabilities = rows.probabilities[of_version]
    share = float(labels.mean())
    if len(labels) < min_rows:
        return VersionPerformance(version, len(labels), Verdict.INSUFFICIENT_DATA, None)
    if not has_both_classes(labels):
        return VersionPerformance(version, len(labels), Verdict.INSUFFICIENT_DATA, share)
    metrics, interval = classification_metrics(labels, probabilities), auc_interval(labels, probabilities)
    return VersionPerformance(
        version,
        len(labels),
        Verdict.MEASURED,
        share,
        metrics["roc_auc"],
        interval.low,
        interval.high,
        metrics["accuracy"],
        metrics["brier_score"],
    )
