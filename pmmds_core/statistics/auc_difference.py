"""Whether a model in production ranks worse than it did on its holdout, beyond chance and a margin. Pure.

Keep out: reading what was realized (workflows/retraining_triggers.py), what follows (policies/retraining.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pmmds_core.statistics.classification import AucInterval


@dataclass(frozen=True)
class PerformanceDrop:
    """Holdout minus realized ROC-AUC, with the ends of its 95 % interval."""

    holdout: AucInterval
    realized: AucInterval
    drop: float
    low: float
    high: float

    def is_beyond(self, margin: float) -> bool:
        return self.low > margin


def measure_drop(holdout: AucInterval, realized: AucInterval) -> PerformanceDrop:
    """The difference of two ROC-AUCs on different rows, and its interval from theirs.

    The square-and-add interval (Newcombe 1998, method 10; MOVER, Donner and Zou 2012): it needs no symmetric
    intervals, and counts the holdout's own uncertainty, which is the larger one for a model judged on 80 rows.
    """
    drop = holdout.auc - realized.auc
    low = drop - math.hypot(holdout.auc - holdout.low, realized.high - realized.auc)
    high = drop + math.hypot(holdout.high - holdout.auc, realized.auc - realized.low)
    return PerformanceDrop(holdout, realized, drop, low, high)
