"""Fetches the additional inputs of drift rules (rows, previous windows, segments) and applies the rules.

Not here: the rules (drift/rules), the order of a monitoring run (monitoring.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from pmmds_core.deployment import Deployment
from pmmds_core.drift.policy import DriftRule
from pmmds_core.drift.rules import joint, sequential
from pmmds_core.drift.rules.joint import JointFinding, JointRule, judge_joint, not_evaluated
from pmmds_core.drift.rules.rule_verdict import RuleVerdict
from pmmds_core.drift.rules.sequential import SequentialRule, judge_sequential
from pmmds_core.drift.segments import SegmentDrift, check_segment_features, compare_segments
from pmmds_core.models.bundle import Bundle
from pmmds_core.profiling.reference_rows import ReferenceRows, code_rows
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.monitoring.drift_windows import Window

NO_ROWS = "has no reference rows"


@dataclass(frozen=True)
class MonitoredWindow:
    """The window [start, end) of one model version.

    `counts` has the number of the window's rows in each bin of the profile, for each feature.
    """

    bundle: Bundle
    version: str
    start: datetime
    end: datetime
    counts: Mapping[str, NDArray[np.int64]]
    n_rows: int

    @property
    def rows(self) -> ReferenceRows | None:
        """The reference rows of the version if they were binned with its profile, or else None."""
        rows = self.bundle.reference_rows
        return rows if rows is not None and rows.profile_digest == self.bundle.profile.digest else None


def apply_joint(deployment: Deployment, window: MonitoredWindow, rule: DriftRule) -> JointFinding:
    """Apply the joint rule to the newest rows of the window."""
    rows = window.rows
    if rows is None:
        return not_evaluated(f"v{window.version} {NO_ROWS}.")
    if window.n_rows < rule.min_samples:
        # There are too few rows for a test, so they are not read.
        newest = np.zeros((window.n_rows, len(rows.features)), dtype=np.int32)
    else:
        columns = deployment.prediction_log.newest_columns(
            deployment.model_name, window.version, window.start, window.end, joint.MAX_ROWS
        )
        newest = code_rows(window.bundle.profile, columns)
    from threadpoolctl import threadpool_limits

    # Use one thread, because the matrices are small and competing threads made this ten times slower.
    with threadpool_limits(1):
        return judge_joint(
            window.bundle.profile, rows.codes, newest, JointRule(rule.false_alarm_rate, rule.min_samples)
        )


def apply_sequential(deployment: Deployment, window: MonitoredWindow) -> RuleVerdict:
    """Apply the sequential rule to this version's stored windows, and to the current window if it starts after them."""
    hours = (window.end - window.start).total_seconds() / 3600
    current = Window(None, window.start, window.end)
    windows, last_end = deployment.drift_windows.of_version(
        deployment.model_name, window.version, window.bundle.profile, current, window.counts, sequential.MAX_WINDOWS
    )
    verdict = judge_sequential(
        window.bundle.profile, windows, SequentialRule(deployment.settings.drift_false_alarms_per_year, hours)
    )
    if last_end is None or last_end == window.end or verdict.verdict is Verdict.INSUFFICIENT_DATA:
        return verdict
    note = f"The last counted window ended {last_end:%Y-%m-%d %H:%M} UTC; only windows that start after it are counted."
    return RuleVerdict(verdict.rule, verdict.verdict, (*verdict.reasons, note), verdict.flagged)


def apply_segments(
    deployment: Deployment, window: MonitoredWindow, rule: DriftRule, features: Sequence[str]
) -> tuple[SegmentDrift, ...]:
    """Compute the drift of each segment of these features.

    Raises:
        UsageError: a name is not a categorical feature.
    """
    check_segment_features(deployment.contract, features)
    profile, rows = window.bundle.profile, window.rows
    counted = [
        s
        for by in features
        for s in deployment.segments.counts(
            profile, deployment.model_name, window.version, window.start, window.end, by
        )
    ]
    if rows is None:
        reason = (f"v{window.version} {NO_ROWS}.",)
        return tuple(SegmentDrift(s.feature, s.value, 0, s.n_rows, Verdict.INSUFFICIENT_DATA, reason) for s in counted)
    return compare_segments(
        profile, rows.codes, counted, false_alarm_rate=rule.false_alarm_rate, min_samples=rule.min_samples
    )
