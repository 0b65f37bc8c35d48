"""What a rule answers with, and the sentences that every rule words alike.

Add what all rules share. Keep out: what a single rule decides, and which rules raise an alert (drift/policy.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pmmds_core.drift.comparison import FeatureDrift
from pmmds_core.statistics.p_values import format_p_value
from pmmds_core.statistics.verdict import Verdict

# An alert is read by a person: the worst findings, and how many more there are.
MAX_FINDINGS = 6


@dataclass(frozen=True)
class RuleVerdict:
    """What one rule says, and why. `flagged`: the features that it holds for moved, the worst first."""

    rule: str
    verdict: Verdict
    reasons: tuple[str, ...]
    flagged: tuple[str, ...] = ()


def too_few_rows(rule: str, n_current: int, min_samples: int) -> RuleVerdict | None:
    """The verdict on a window that is too small to judge; None when it is not."""
    if n_current >= min_samples:
        return None
    reason = f"{n_current:,} rows in the window; {min_samples:,} are needed to judge."
    return RuleVerdict(rule, Verdict.INSUFFICIENT_DATA, (reason,))


def finding(feature: FeatureDrift) -> str:
    """One feature in a sentence: what moved, its PSI, what chance alone gives, p, band."""
    return (
        f"{feature.statement} (PSI {number(feature.psi)}, chance alone gives {number(feature.psi_expected_by_chance)}, "
        f"p {format_p_value(feature.p_value)}, {feature.band})."
    )


def findings(flagged: Sequence[FeatureDrift]) -> tuple[str, ...]:
    """The worst of the flagged features in words; `flagged` is sorted already."""
    n_more = len(flagged) - MAX_FINDINGS
    more = (f"And {n_more} more {'feature' if n_more == 1 else 'features'}.",) if n_more > 0 else ()
    return tuple(finding(f) for f in flagged[:MAX_FINDINGS]) + more


def number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
