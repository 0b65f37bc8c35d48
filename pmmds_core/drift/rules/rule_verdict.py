"""The verdict of a single rule, and the reason texts that rules share.

Not here: the rules themselves and the selection of alerting rules (drift/policy.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pmmds_core.drift.comparison import FeatureDrift
from pmmds_core.statistics.p_values import format_p_value
from pmmds_core.statistics.verdict import Verdict

# An alert lists at most this many features and states how many others there are.
MAX_FINDINGS = 6


@dataclass(frozen=True)
class RuleVerdict:
    """The verdict of one rule with its reasons.

    `flagged` has the features that the rule reports as drifted, with the worst feature first.
    """

    rule: str
    verdict: Verdict
    reasons: tuple[str, ...]
    flagged: tuple[str, ...] = ()


def too_few_rows(rule: str, n_reference: int, n_current: int, min_samples: int) -> RuleVerdict | None:
    """Return the verdict `insufficient_data` with its reason, or None if both sides have enough rows."""
    if min(n_reference, n_current) >= min_samples:
        return None
    n, side = (n_current, "window") if n_current < min_samples else (n_reference, "reference")
    reason = f"{n:,} {'row' if n == 1 else 'rows'} in the {side}; at least {min_samples:,} are required."
    return RuleVerdict(rule, Verdict.INSUFFICIENT_DATA, (reason,))


def finding(feature: FeatureDrift) -> str:
    """Describe one feature in a sentence with its change, PSI, PSI expected by chance, p-value and band."""
    return (
        f"{feature.statement} (PSI {number(feature.psi)}, expected by chance {number(feature.psi_expected_by_chance)}, "
        f"p {format_p_value(feature.p_value)}, {feature.band})."
    )


def findings(flagged: Sequence[FeatureDrift]) -> tuple[str, ...]:
    """Return sentences about the first MAX_FINDINGS features, and the number of other features.

    `flagged` is sorted, with the worst feature first.
    """
    n_more = len(flagged) - MAX_FINDINGS
    more = (f"And {n_more} more {'feature' if n_more == 1 else 'features'}.",) if n_more > 0 else ()
    return tuple(finding(f) for f in flagged[:MAX_FINDINGS]) + more


def number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
