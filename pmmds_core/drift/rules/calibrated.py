"""The rule `calibrated`: significance tests with a set false-alarm rate per window.

It computes one p-value per feature (statistics/homogeneity.py) and applies Benjamini–Hochberg to them. It does not
measure the size of a drift, and with many rows it detects very small drifts. The size is shown by the PSI and its band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pmmds_core.drift.comparison import FeatureDrift
from pmmds_core.drift.rules.rule_verdict import RuleVerdict, findings, too_few_rows
from pmmds_core.profiling.bins import SCORE
from pmmds_core.statistics.p_values import format_p_value
from pmmds_core.statistics.verdict import Verdict

RULE = "calibrated"


@dataclass(frozen=True)
class CalibratedRule:
    """The settings of the rule.

    `false_alarm_rate` is the share of windows without drift that are called drifted, from 0 to 1. `min_samples` is the
    minimum number of rows on each side.
    """

    false_alarm_rate: float
    min_samples: int


def judge_calibrated(
    features: Sequence[FeatureDrift], n_reference: int, n_current: int, rule: CalibratedRule
) -> RuleVerdict:
    """Return the verdict, which is drifted if the q-value of any feature is at most the false-alarm rate."""
    if (too_few := too_few_rows(RULE, n_reference, n_current, rule.min_samples)) is not None:
        return too_few
    candidates = [f for f in features if f.feature != SCORE]
    significant = [f for f in candidates if f.q_value is not None and f.q_value <= rule.false_alarm_rate]
    # Extreme p-values are all 0, so the PSI determines their order.
    significant.sort(key=lambda f: (f.p_value, -(f.psi or 0.0)))
    if significant:
        reason = (
            f"{len(significant)} of {len(candidates)} features changed significantly "
            f"(false-alarm rate {rule.false_alarm_rate:.3g} per window)."
        )
        return RuleVerdict(
            RULE, Verdict.DRIFTED, (reason, *findings(significant)), tuple(f.feature for f in significant)
        )
    least = min((f for f in candidates if f.q_value is not None), key=lambda f: f.q_value or 0.0, default=None)
    closest = "" if least is None else f"; smallest q-value: {least.feature} ({format_p_value(least.q_value)})"
    reason = f"No feature changed significantly (false-alarm rate {rule.false_alarm_rate:.3g} per window){closest}."
    return RuleVerdict(RULE, Verdict.STABLE, (reason,))
