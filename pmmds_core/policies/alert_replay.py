"""Computes which alerts other thresholds would have raised on stored reports, as a pure function of past windows.

It opens and resolves alerts as monitoring does. Not here: counting features (stores/monitoring/drift_trends.py), when
an alert is resolved (alert_resolution.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pmmds_core.policies.alert_resolution import JudgedWindow, why_resolved
from pmmds_core.statistics.verdict import Verdict


@dataclass(frozen=True)
class ReplayedAlert:
    """An alert that would have been raised.

    `n_reports` is the number of its drifted reports. `resolved_at` is None if the alert is open.
    """

    opened_at: datetime
    last_seen_at: datetime
    n_reports: int
    resolved_at: datetime | None


def replay_alerts(windows: Sequence[JudgedWindow], n_stable: int) -> list[ReplayedAlert]:
    """Return the alerts on these windows, oldest first.

    Promotions are the recorded ones, because each window names its version.

    Args:
        windows: past windows with the verdicts of the replayed rule, oldest first.
        n_stable: number of consecutive stable reports required to resolve an alert.
    """
    alerts: list[ReplayedAlert] = []
    since: list[JudgedWindow] = []
    version = ""
    for window in windows:
        is_open = bool(alerts) and alerts[-1].resolved_at is None
        if window.verdict == Verdict.DRIFTED:
            end = window.window_end
            before = alerts.pop() if is_open else ReplayedAlert(end, end, 0, None)
            alerts.append(replace(before, last_seen_at=end, n_reports=before.n_reports + 1))
            since, version = [], window.model_version
        elif is_open:
            since.insert(0, window)
            if why_resolved(since, version, n_stable) is not None:
                alerts[-1] = replace(alerts[-1], resolved_at=window.window_end)
    return alerts
