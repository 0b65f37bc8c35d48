"""Computes the drop from holdout to realized ROC-AUC with a confidence interval.

Not here: computing the realized ROC-AUC (workflows/retraining_triggers.py) and the retraining decision
(policies/retraining.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pmmds_core.statistics.classification import AucInterval


@dataclass(frozen=True)
class PerformanceDrop:
    """The holdout ROC-AUC minus the realized ROC-AUC, with the 95% interval of the difference."""

    holdout: AucInterval
    realized: AucInterval
    drop: float
    low: float
    high: float

    def is_beyond(self, margin: float) -> bool:
        """Return True if the whole interval lies above the margin."""
        return self.low > margin


def measure_drop(holdout: AucInterval, realized: AucInterval) -> PerformanceDrop:
    """Return the difference between two ROC-AUCs on different rows, with an interval derived from their intervals.

    This is the square-and-add interval (Newcombe 1998, method 10; MOVER, Donner and Zou 2012). It supports asymmetric
    intervals and includes the uncertainty of the holdout, which dominates if the holdout has only 80 rows.
    """
    drop = holdout.auc - realized.auc
    low = drop - math.hypot(holdout.auc - holdout.low, realized.high - realized.auc)
    high = drop + math.hypot(holdout.high - holdout.auc, realized.auc - realized.low)
    return PerformanceDrop(holdout, realized, drop, low, high)
