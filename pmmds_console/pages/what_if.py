"""What-if: the alerts that another threshold, number of features or minimum of rows would have raised.

Not here: replaying (pmmds_core/policies/alert_replay.py), the rules (pmmds_core/drift/rules).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta

from pmmds_console.api.parameters import Parameter
from pmmds_console.pages.page import Page, PageContent, PageRequest
from pmmds_core.policies.alert_replay import ReplayedAlert, replay_alerts
from pmmds_core.policies.alert_resolution import JudgedWindow
from pmmds_core.runtime.plurals import counted
from pmmds_core.statistics.verdict import Verdict
from pmmds_core.stores.monitoring.drift_trends import ReportDrift, report_drift

# Thresholds of the table that compares them.
THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5)
_POSITIVE = Annotated[int, Meta(ge=1, le=1_000_000)]
PARAMETERS = (
    Parameter("threshold", Annotated[float, Meta(gt=0, le=100)], "PSI above which a feature counts"),
    Parameter("features", _POSITIVE, "Features that have to be above the threshold"),
    Parameter("rows", _POSITIVE, "Rows that a window needs on both sides"),
    Parameter("days", Annotated[int, Meta(ge=1, le=730)], "Days until now", 90),
)


def judged(reports: Sequence[ReportDrift], place: int, n_features: int, n_rows: int) -> list[JudgedWindow]:
    """The verdicts of the rule `spec` with other values. `place`: of the threshold in the reports' counts."""
    return [
        JudgedWindow(r.window_start, r.window_end, r.model_version, _verdict(r, place, n_features, n_rows))
        for r in reports
    ]


def _verdict(report: ReportDrift, place: int, n_features: int, n_rows: int) -> Verdict:
    """A report with too few rows has no PSI; the rule requires all features of a contract with fewer."""
    if min(report.n_current, report.n_reference) < n_rows or not report.n_features:
        return Verdict.INSUFFICIENT_DATA
    return Verdict.DRIFTED if report.n_over[place] >= min(n_features, report.n_features) else Verdict.STABLE


def _what_if(asked: PageRequest) -> PageContent:
    deployment, settings, days = asked.deployment, asked.deployment.settings, asked.values["days"]
    threshold = asked.values["threshold"] or settings.drift_psi_threshold
    n_features = asked.values["features"] or settings.drift_min_drift_features
    n_rows = asked.values["rows"] or settings.drift_min_samples_required
    thresholds = (threshold, *THRESHOLDS)
    since = datetime.now(UTC) - timedelta(days=days)
    reports = report_drift(deployment.database, deployment.model_name, since, thresholds)

    def replayed(place: int) -> list[ReplayedAlert]:
        return replay_alerts(judged(reports, place, n_features, n_rows), settings.alert_stable_reports)

    alerts = replayed(0)
    content = {
        "threshold": threshold,
        "features": n_features,
        "rows": n_rows,
        "days": days,
        "n_reports": len(reports),
        "alerts": alerts[::-1],
        "sentence": f"This would have raised {counted(len(alerts), 'alert')} in {counted(days, 'day')}.",
        "n_recorded": len(_recorded(reports, settings.alert_stable_reports)),
        "table": [(limit, len(replayed(place))) for place, limit in enumerate(thresholds) if place],
    }
    return PageContent("What if", content)


def _recorded(reports: Sequence[ReportDrift], n_stable: int) -> list[ReplayedAlert]:
    """The same replay of the verdicts that were recorded."""
    windows = [JudgedWindow(r.window_start, r.window_end, r.model_version, r.verdict) for r in reports]
    return replay_alerts(windows, n_stable)


PAGES = (Page("/what-if", "what_if.html", _what_if, PARAMETERS, section="/drift"),)
