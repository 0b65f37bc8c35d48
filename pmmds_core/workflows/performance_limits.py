"""The ROC-AUC below which a version's performance triggers a retraining, and the days that are below it.

Not here: the trigger (retraining_triggers.py), which measures several days at once, and charts (reports/).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pmmds_core.statistics.auc_difference import measure_drop
from pmmds_core.statistics.classification import AucInterval

if TYPE_CHECKING:
    from pmmds_core.deployment import Deployment
    from pmmds_core.policies.decision import Decision


@dataclass(frozen=True)
class PerformanceLimit:
    """A version's ROC-AUC on its holdout, and the tolerated drop."""

    model_version: str
    holdout: AucInterval
    margin: float

    @property
    def value(self) -> float:
        """The holdout's ROC-AUC minus the tolerated drop."""
        return self.holdout.auc - self.margin

    def is_beyond(self, realized: Mapping[str, float]) -> bool:
        """Return True if the 95% interval of a day's drop lies above the margin.

        Args:
            realized: the day's ROC-AUC as `value`, with its 95% interval as `low` and `high`.
        """
        day = AucInterval(realized["value"], realized["low"], realized["high"])
        return measure_drop(self.holdout, day).is_beyond(self.margin)


def performance_limits(deployment: Deployment, versions: Collection[str]) -> dict[str, PerformanceLimit]:
    """Return the limits of these versions by version.

    A version without an evaluation has no limit. The result is empty if a drop in performance triggers no retraining
    (PMMDS_RETRAIN_ON_PERFORMANCE_DROP).
    """
    if deployment.settings.retrain_on_performance_drop == "off":
        return {}
    margin, limits = deployment.settings.retrain_performance_margin, {}
    for version in versions:
        judged = deployment.decisions.last_promotion_of(version)
        holdout = holdout_auc(judged) if judged else None
        if holdout:
            limits[version] = PerformanceLimit(version, holdout, margin)
    return limits


def holdout_auc(judged: Decision) -> AucInterval | None:
    """Return the challenger's ROC-AUC on the holdout of its evaluation, or None without an evaluation."""
    evaluation: Mapping[str, Any] | None = judged.document.get("evaluation")
    if not evaluation:
        return None
    low, high = evaluation["challenger_interval"]
    return AucInterval(evaluation["challenger_metrics"][evaluation["primary_metric"]], low, high)
