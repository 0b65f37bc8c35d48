"""Rules for resolving and escalating alerts, as pure functions over past reports.

Not here: changing an alert (stores/lifecycle/alerts.py), raising an alert (drift/policy.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from pmmds_core.statistics.verdict import Verdict

# The severity bands from drift/comparison.py. Any other value ranks lowest.
_RANK = {"undetermined": 0, "none": 0, "moderate": 1, "significant": 2, "major": 3}


@dataclass(frozen=True)
class JudgedWindow:
    """The fields of a report that determine whether an alert is resolved.

    `model_version` is the version whose reference was used.
    """

    window_start: datetime
    window_end: datetime
    model_version: str
    verdict: str


def is_worse(severity: str, previous: Sequence[str]) -> bool:
    """Return True if `severity` exceeds all previous severities.

    An alert that fluctuates is therefore notified only once per level.
    """
    return all(_RANK.get(severity, 0) > _RANK.get(other, 0) for other in previous)


def why_resolved(windows: Sequence[JudgedWindow], alerted_version: str, needed: int) -> str | None:
    """Return the reason for resolving an alert, or None if it stays open.

    A window with too few rows neither counts as stable nor interrupts consecutive stable windows. Repeated reports on
    the same window count once.

    Args:
        windows: reports since the alert's last drifted report, newest first.
        alerted_version: the version whose reference was used by that report.
        needed: number of consecutive stable reports required to resolve the alert.
    """
    judged = [w for w in windows if w.verdict != Verdict.INSUFFICIENT_DATA]
    if not judged or windows[0].verdict != Verdict.STABLE:
        return None
    stable = list(takewhile(lambda w: w.verdict == Verdict.STABLE, judged))
    n_stable = len({(w.window_start, w.window_end, w.model_version) for w in stable})
    version = judged[0].model_version
    if version != alerted_version:
        return f"There is no drift from the reference of v{version}, which replaced v{alerted_version}."
    if n_stable >= needed:
        return f"{n_stable} report{'s' * (n_stable > 1)} in a row {'were' if n_stable > 1 else 'was'} stable."
    return None
