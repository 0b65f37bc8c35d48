"""What the rules ask for beyond a window's counts: rows of both sides, the windows before, the counts of segments.

Fetches, calls the pure rule, hands back its answer. Keep out: the rules (drift/rules), the order of a look
(monitoring.py).
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
from pmmds_core.drift.rules.joint import JointFinding, JointRule, could_not_look, judge_joint
from pmmds_core.drift.rules.sequential import SequentialRule, judge_sequential
from pmmds_core.drift.rules.verdict import RuleVerdict, Verdict
from pmmds_core.drift.segments import SegmentDrift, check_segment_features, compare_segments
from pmmds_core.models.bundle import Bundle
from pmmds_core.profiling.reference_rows import ReferenceRows, code_rows
from pmmds_core.stores.monitoring.drift_windows import Window

NO_ROWS = "carries no reference rows; versions trained from here on do"


@dataclass(frozen=True)
class MonitoredWindow:
    """The window [start, end) of one model version, and its rows in the profile's bins."""

    bundle: Bundle
    version: str
    start: datetime
    end: datetime
    counts: Mapping[str, NDArray[np.int64]]
    n_rows: int

    @property
    def rows(self) -> ReferenceRows | None:
        """The reference rows that the version carries, when they were coded with its profile."""
        found = self.bundle.reference_rows
        return found if found is not None and found.profile_digest == self.bundle.profile.digest else None


def apply_joint(deployment: Deployment, w: MonitoredWindow, rule: DriftRule) -> JointFinding:
    """The joint rule on the newest rows of the window."""
    rows = w.rows
    if rows is None:
        return could_not_look(f"v{w.version} {NO_ROWS}.")
    if w.n_rows < rule.min_samples:
        newest = np.zeros((w.n_rows, len(rows.features)), dtype=np.int32)  # too few, whatever they hold
    else:
        columns = deployment.prediction_log.newest_columns(
            deployment.model_name, w.version, w.start, w.end, joint.MAX_ROWS
        )
        newest = code_rows(w.bundle.profile, columns)
    from threadpoolctl import threadpool_limits

    # The matrices are small: threads that wait for a core that another process has made this ten times slower.
    with threadpool_limits(1):
        return judge_joint(w.bundle.profile, rows.codes, newest, JointRule(rule.false_alarm_rate, rule.min_samples))


def apply_sequential(deployment: Deployment, w: MonitoredWindow) -> RuleVerdict:
    """The sequential rule on the stored reports of this version, and on this window when it begins after them."""
    hours = (w.end - w.start).total_seconds() / 3600
    current = Window(None, w.start, w.end)
    windows, last_end = deployment.drift_windows.of_version(
        deployment.model_name, w.version, w.bundle.profile, current, w.counts, sequential.MAX_WINDOWS
    )
    found = judge_sequential(
        w.bundle.profile, windows, SequentialRule(deployment.settings.drift_false_alarms_per_year, hours)
    )
    if last_end is None or last_end == w.end or found.verdict is Verdict.INSUFFICIENT_DATA:
        return found
    through = f"The last window ended {last_end:%Y-%m-%d %H:%M} UTC; the next one counts when it is over."
    return RuleVerdict(found.rule, found.verdict, (*found.reasons, through), found.flagged)


def apply_segments(
    deployment: Deployment, w: MonitoredWindow, rule: DriftRule, features: Sequence[str]
) -> tuple[SegmentDrift, ...]:
    """The report by each value of these features.

    Raises:
        UsageError: a name that is no categorical feature.
    """
    check_segment_features(deployment.contract, features)
    profile, rows = w.bundle.profile, w.rows
    counted = [
        s
        for by in features
        for s in deployment.segments.counts(profile, deployment.model_name, w.version, w.start, w.end, by)
    ]
    if rows is None:
        reason = (f"v{w.version} {NO_ROWS}.",)
        return tuple(SegmentDrift(s.feature, s.value, 0, s.n_rows, Verdict.INSUFFICIENT_DATA, reason) for s in counted)
    return compare_segments(
        profile, rows.codes, counted, false_alarm_rate=rule.false_alarm_rate, min_samples=rule.min_samples
    )
