"""The chart of the model's ROC-AUC by day, with the limit below which it triggers a retraining.

Not here: the pages that show it (versions.py, feature_time.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pmmds_core.deployment import Deployment
from pmmds_core.reports import charts
from pmmds_core.reports.performance_page import daily_points
from pmmds_core.reports.time_axis import TimeAxis
from pmmds_core.workflows.performance_limits import PerformanceLimit, performance_limits


def quality_chart(deployment: Deployment, documents: Sequence[Mapping[str, Any]], axis: TimeAxis, width: int) -> str:
    """The SVG of the documents' days, with the limit of the newest version; empty without a measured day."""
    limits = performance_limits(deployment, {d["model_version"] for d in documents})
    points = [{**point, "is_beyond": _is_beyond(point, d, limits)} for d in documents for point in daily_points(d)]
    newest = max(documents, key=lambda d: str(d["day"]), default={"model_version": ""})
    limit = limits.get(newest["model_version"])
    lines = [charts.Limit(limit.value, f"v{limit.model_version}: holdout − {limit.margin:g}")] if limit else []
    text = charts.ChartText("quality", "ROC-AUC by day", "Realized from labels, and estimated without them.")
    return charts.daily(text, points, axis=axis, width=width, limits=lines)


def _is_beyond(point: Mapping[str, Any], document: Mapping[str, Any], limits: Mapping[str, PerformanceLimit]) -> bool:
    """Whether a day's realized ROC-AUC is below the limit of its version by more than chance explains."""
    limit = limits.get(document["model_version"])
    return limit is not None and point["what"] == charts.REALIZED and limit.is_beyond(point)
