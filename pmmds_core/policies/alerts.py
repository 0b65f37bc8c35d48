"""When an alert is over, and when it has become worse: pure functions over past reports.

Keep out: changing it (stores/lifecycle/alerts.py), and what raises it (drift/policy.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile

from pmmds_core.statistics.verdict import Verdict

# Bands of drift/comparison.py. A word that is none of them ranks with the least.
_RANK = {"undetermined": 0, "none": 0, "moderate": 1, "significant": 2, "major": 3}


@dataclass(frozen=True)
class JudgedWindow:
    """One report, as far as it bears on an alert: which window, whose profile was compared with, and the verdict."""

    window_start: datetime
    window_end: datetime
    model_version: str
    verdict: str


def is_worse(severity: str, known: Sequence[str]) -> bool:
    """Whether `severity` is above all that the alert has had, so that going to and fro is told once."""
    return all(_RANK.get(severity, 0) > _RANK.get(one, 0) for one in known)


def why_resolved(windows: Sequence[JudgedWindow], alerted_version: str, needed: int) -> str | None:
    """Why an alert is over; None while it is not.

    A window with too few rows says nothing: it neither counts nor breaks the row of stable ones. A window that was
    judged again counts once: whoever presses the button three times has seen nothing new.

    Args:
        windows: reports since the last drifted one that the alert stands for, newest first.
        alerted_version: the version against whose reference that drifted report was.
        needed: stable reports in a row that end it.
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
