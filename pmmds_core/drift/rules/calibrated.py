"""The rule that knows what chance does: its setting is the share of undrifted windows that it may call drifted.

One p-value a feature (statistics/homogeneity.py), Benjamini–Hochberg over the features. Keep out: how large a drift
is; with many rows the smallest one is found, and PSI and band tell its size.
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
    """`false_alarm_rate`: of undrifted windows, 0–1. `min_samples`: fewer current rows are not judged."""

    false_alarm_rate: float
    min_samples: int


def judge_calibrated(features: Sequence[FeatureDrift], n_current: int, rule: CalibratedRule) -> RuleVerdict:
    """Judge the features of `drift.compare`: drifted when any has a q-value of at most the rate."""
    if (too_few := too_few_rows(RULE, n_current, rule.min_samples)) is not None:
        return too_few
    own = [f for f in features if f.feature != SCORE]
    unlikely = [f for f in own if f.q_value is not None and f.q_value <= rule.false_alarm_rate]
    # Far out p-values are all 0, and PSI still orders them.
    unlikely.sort(key=lambda f: (f.p_value, -(f.psi or 0.0)))
    if unlikely:
        reason = (
            f"{len(unlikely)} of {len(own)} features moved more than chance explains, at {rule.false_alarm_rate:.3g} "
            "false alarms a window."
        )
        return RuleVerdict(RULE, Verdict.DRIFTED, (reason, *findings(unlikely)), tuple(f.feature for f in unlikely))
    least = min((f for f in own if f.q_value is not None), key=lambda f: f.q_value or 0.0, default=None)
    closest = "" if least is None else f"; the least likely is {least.feature} (q {format_p_value(least.q_value)})"
    reason = (
        f"No feature moved more than chance explains at {rule.false_alarm_rate:.3g} false alarms a window{closest}."
    )
    return RuleVerdict(RULE, Verdict.STABLE, (reason,))
