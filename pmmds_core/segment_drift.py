"""The comparison within segments: rows with one value of a categorical feature against the reference rows with it.

Keep out: counting the current rows (stores/segment_counts.py), rules over whole windows (drift_rules).
"""

from __future__ import annotations

from dataclasses import dataclass

from pmmds_core.drift_rules.rule_verdict import Verdict


@dataclass(frozen=True)
class SegmentDrift:
    """One value of the feature that segments are made by, and the feature that moved most among its rows."""

    feature: str
    value: str
    n_reference: int
    n_current: int
    verdict: Verdict
    reasons: tuple[str, ...]
    worst_feature: str | None = None
    worst_psi: float | None = None
    worst_q_value: float | None = None
