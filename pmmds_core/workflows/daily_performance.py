"""Measures performance by day and model version, both realized and estimated without labels, and stores it.

This module defines only the order of the steps. Not here: metrics (statistics/intervals.py), estimates
(models/calibration.py), their validity (evaluation/cbpe_validity.py).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pmmds_core.deployment import Deployment
from pmmds_core.evaluation.cbpe_validity import why_invalid
from pmmds_core.models.calibration import Calibration, estimate
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.runtime.plurals import counted
from pmmds_core.runtime.time_windows import DAY, daily_window_start
from pmmds_core.statistics.classification import MIN_ROWS_A_CLASS, has_both_classes
from pmmds_core.statistics.intervals import measures, reliability_table
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.monitoring.daily_performance import DayRows, DayState
from pmmds_core.stores.monitoring.hourly_counts import hourly_counts


def refresh_days(deployment: Deployment, n_days: int, now: datetime | None = None) -> list[dict[str, Any]]:
    """Measure the performance of those of the last `n_days` days whose rows or labels have changed.

    Returns the documents of all days, oldest day first. Changed hours are counted first, because the validity of an
    estimate depends on the histograms of these hours.
    """
    end = (now or datetime.now(UTC)).astimezone(UTC)
    start = daily_window_start(end, n_days)
    deployment.ground_truth.match_archived()
    deployment.histograms.refresh(deployment.profiles.profile, deployment.model_name, start, end)
    stored = {(k.model_version, k.day): k.document for k in deployment.daily_performance.results(start)}
    for state in deployment.daily_performance.states(start, end):
        if stored.get((state.model_version, state.day), {}).get("digest") != state.digest:
            deployment.daily_performance.save(state, measure_day(deployment, state))
    return [dict(k.document) for k in deployment.daily_performance.results(start)]


def digest_of(documents: Sequence[Mapping[str, Any]]) -> str:
    """Return the sha256 of the canonical JSON of the documents."""
    return hashlib.sha256(json.dumps(documents, sort_keys=True, default=dict).encode()).hexdigest()


def measure_day(deployment: Deployment, state: DayState) -> dict[str, Any]:
    """Return the document for one day and version, in the format of `pmmds performance --json`."""
    rows = deployment.daily_performance.rows(state.model_version, state.day)
    profile = deployment.profiles.profile(state.model_version)
    calibration = None if profile is None else deployment.profiles.bundle(state.model_version).calibration
    hours = hourly_counts(deployment.database, deployment.model_name, state.model_version, state.day, state.day + DAY)
    counts = _sum(list(hours.values()))
    return day_document(state, rows, profile, calibration, counts, deployment.settings.drift_min_samples_required)


def day_document(
    state: DayState,
    rows: DayRows,
    profile: ReferenceProfile | None,
    calibration: Calibration | None,
    counts: Mapping[str, NDArray[np.int64]],
    min_rows: int,
) -> dict[str, Any]:
    """Measure the realized and the estimated performance of one day (see `measure_day`).

    There is no estimate if there is no profile.
    """
    known = rows.labels >= 0
    labels = rows.labels[known]
    share = float(labels.mean()) if labels.size else None
    enough = labels.size >= min_rows and has_both_classes(labels)
    realized = measures(labels, rows.probabilities[known], rows.predictions[known]) if enough else None
    return {
        "model_version": state.model_version,
        "day": f"{state.day:%Y-%m-%d}",
        "n_rows": state.n_rows,
        "n_labelled": state.n_labelled,
        "n_labels_missing": state.n_rows - state.n_labelled,
        "verdict": (Verdict.MEASURED if enough else Verdict.INSUFFICIENT_DATA).value,
        "reason": "" if enough else _why_not(labels, min_rows),
        "positive_share": share if labels.size >= min_rows else None,
        "realized": realized,
        "reliability": reliability_table(labels, rows.probabilities[known]) if enough else [],
        "estimated": _estimated(rows, profile, calibration, counts, min_rows),
        "digest": state.digest,
    }


def _why_not(labels: NDArray[np.int64], min_rows: int) -> str:
    n_labelled, n_positive = len(labels), int(labels.sum())
    if n_labelled < min_rows:
        return f"{counted(n_labelled, 'label has', 'labels have')} arrived; {min_rows:,} are required"
    if n_positive in (0, n_labelled):
        return f"all {counted(n_labelled, 'label')} are {'1' if n_positive else '0'}"
    rare, n_rare = ("1", n_positive) if 2 * n_positive < n_labelled else ("0", n_labelled - n_positive)
    return f"only {n_rare} of {counted(n_labelled, 'label')} are {rare}; {MIN_ROWS_A_CLASS} are required"


def _estimated(
    rows: DayRows,
    profile: ReferenceProfile | None,
    calibration: Calibration | None,
    counts: Mapping[str, NDArray[np.int64]],
    min_rows: int,
) -> dict[str, Any]:
    """Return the CBPE estimate for all rows of the day, labeled or not.

    The result is None if there are fewer than `min_rows` rows.
    """
    if profile is None:
        reasons: tuple[str, ...] = ("this model version is not in the registry",)
    else:
        reasons = why_invalid(profile, calibration, rows.probabilities, counts, min_rows)
    values: dict[str, float | None] = dict.fromkeys(("roc_auc", "roc_auc_low", "roc_auc_high", "accuracy"))
    if calibration is not None and len(rows.probabilities) >= max(min_rows, 1):
        estimated = estimate(rows.probabilities, rows.predictions, calibration.apply(rows.probabilities))
        values = {name: None if math.isnan(v) else v for name, v in asdict(estimated).items()}
    return {**values, "is_valid": not reasons, "reasons": list(reasons)}


def _sum(hours: list[dict[str, NDArray[np.int64]]]) -> dict[str, NDArray[np.int64]]:
    total: dict[str, NDArray[np.int64]] = {}
    for hour in hours:
        for feature, counts in hour.items():
            total[feature] = total[feature] + counts if feature in total else counts
    return total
