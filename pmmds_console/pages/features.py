"""One feature: its distributions in the reference and in a report, and both by segment.

Not here: the feature over time (feature_time.py), all features (drift.py), the comparison (pmmds_core/drift).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pmmds_console.api.parameters import Parameter, RowId, path_parameter, text_filter
from pmmds_console.pages.drift import WEEKS
from pmmds_console.pages.feature_time import over_time
from pmmds_console.pages.page import Page, PageContent, PageRequest
from pmmds_console.problems import not_found
from pmmds_core.deployment import Deployment
from pmmds_core.drift.few_rows import has_enough_rows
from pmmds_core.drift.report import DriftReport
from pmmds_core.errors import StoreError
from pmmds_core.profiling.bins import SCORE
from pmmds_core.reports import charts
from pmmds_core.workflows.feature_segments import FeatureSegment, feature_by_segment

# Fewer rows of a segment make a PSI that chance alone explains.
MIN_SEGMENT_ROWS = 100
MAX_SEGMENTS = 12
# The width in pixels of the plot of the feature.
WIDTH = 320


def _feature(asked: PageRequest) -> PageContent:
    deployment, values = asked.deployment, asked.values
    name = values["feature"]
    report = _report(deployment, values["report"])
    measured = _measured(report, name)
    content = {
        "name": name,
        "report": report,
        "measured": measured,
        "has_enough_rows": report is not None and has_enough_rows(report.document),
        "histogram": _histogram("now", name, measured["bins"], WIDTH) if measured else "",
        **over_time(deployment, name, measured["bins"] if measured else (), values["weeks"], report),
        "weeks": values["weeks"],
        "choices": [c for c in deployment.contract.categorical_names if c != name],
        "by": values["by"],
        **_segments(deployment, report, name, values["by"]),
    }
    return PageContent("Score" if name == SCORE else f"Feature {name}", content)


def _report(deployment: Deployment, report_id: int | None) -> DriftReport | None:
    """The chosen report, or the newest one; None without any."""
    if report_id is None:
        return deployment.drift.latest(deployment.model_name)
    report = deployment.drift.get(report_id)
    if report is None or report.model_name != deployment.model_name:
        raise not_found(f"There is no drift report {report_id}.")
    return report


def _measured(report: DriftReport | None, name: str) -> Mapping[str, Any] | None:
    if report is None:
        return None
    features = {f["feature"]: f for f in report.document["features"]}
    if name not in features:
        raise not_found(f"Report {report.report_id} has no feature {name[:64]!r}. The drift page lists all features.")
    measured: Mapping[str, Any] = features[name]
    return measured


def _histogram(key: str, name: str, bins: Sequence[Mapping[str, Any]], width: int = 0) -> str:
    text = "Shares of rows by bin, reference above current; the table has all numbers."
    return charts.histogram(charts.ChartText(key, f"Distribution of {name}", text), bins, width=width)


def _segments(deployment: Deployment, report: DriftReport | None, name: str, by: str | None) -> dict[str, Any]:
    """The segments with a chart each, or the reason why there are none."""
    if report is None or not by or by == name:
        return {"segments": [], "n_more": 0, "segment_problem": ""}
    try:
        found = feature_by_segment(deployment, report, name, by)
    except StoreError as error:
        return {"segments": [], "n_more": 0, "segment_problem": error.message}
    problem = "" if found else f"Version {report.model_version} has no reference rows to compare segments with."
    shown = [_segment(i, name, s) for i, s in enumerate(found[:MAX_SEGMENTS])]
    return {"segments": shown, "n_more": max(0, len(found) - MAX_SEGMENTS), "segment_problem": problem}


def _segment(index: int, name: str, segment: FeatureSegment) -> dict[str, Any]:
    is_enough = min(segment.n_reference, segment.n_current) >= MIN_SEGMENT_ROWS
    bins = [asdict(b) for b in segment.drift.bins]
    return {
        "value": segment.value,
        "n_reference": segment.n_reference,
        "n_current": segment.n_current,
        "psi": segment.drift.psi if is_enough else None,
        "band": segment.drift.band if is_enough else "undetermined",
        "svg": _histogram(f"segment{index}", f"{name}, {segment.value}", bins),
    }


PAGES = (
    Page(
        "/drift/{feature:path}",
        "feature.html",
        _feature,
        (
            path_parameter("feature", str, "Name of the feature; `__score__` is the score", has_slashes=True),
            Parameter("report", RowId, "Number of the report; the newest one without it"),
            text_filter("by", "Categorical feature whose values are the segments"),
            WEEKS,
        ),
        section="/drift",
    ),
)
