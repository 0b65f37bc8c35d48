"""Rules for resolving and escalating alerts: pure functions over past reports.

Not here: changing an alert (stores/lifecycle/alerts.py), raising one (drift/policy.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from pmmds_core.statistics.verdict import Verdict

# Bands of drift/comparison.py. Any other value ranks lowest.
_RANK = {"undetermined": 0, "none": 0, "moderate": 1, "significant": 2, "major": 3}


@dataclass(frozen=True)
class JudgedWindow:
    """The fields of a report that resolve an alert. `model_version`: the version whose profile was the reference."""

    window_start: datetime
    window_end: datetime
    model_version: str
    verdict: str


def is_worse(severity: str, previous: Sequence[str]) -> bool:
    """True if `severity` is above every previous one: an alert that fluctuates is notified once per level."""
    return all(_RANK.get(severity, 0) > _RANK.get(other, 0) for other in previous)


def why_resolved(windows: Sequence[JudgedWindow], alerted_version: str, needed: int) -> str | None:
    """The reason why an alert is resolved; None while it stays open.

    A window with too few rows neither counts nor interrupts a run of stable windows. Repeated reports on the same
    window count once.

    Args:
        windows: reports since the alert's last drifted report, newest first.
        alerted_version: the version whose reference that drifted report was compared with.
        needed: number of consecutive stable reports that resolves the alert.
    """
    judged = [w for w in windows if w.verdict != Verdict.INSUFFICIENT_DATA]
    if not judged or windows[0].verdict != Verdict.STABLE:
        return None
    stable = list(takewhile(lambda w: w.verdict == Verdict.STABLE, judged))
    n_stable = len({(w.window_start, w.window_end, w.model_version) for w in stable})
    version = judged[0].model_version
    if version != alerted_version:
        return f"The reference of v{version} covers what drifted against v{alerted_version}."
    if n_stable >= needed:
        return f"{n_stable} report{'s' * (n_stable > 1)} in a row {'were' if n_stable > 1 else 'was'} stable."
    return None
