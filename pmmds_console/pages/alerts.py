"""The list of alerts, and one alert: what moved, why it was raised, which runs it started.

Not here: acknowledging and resolving (actions/), when an alert is raised (pmmds_core/policies).
"""

from __future__ import annotations

from pmmds_console.api.parameters import RowId, path_parameter, text_filter
from pmmds_console.pages.page import Page, PageContent, PageRequest
from pmmds_console.pages.reports import page_head
from pmmds_console.problems import not_found
from pmmds_core.deployment import Deployment
from pmmds_core.errors import UsageError
from pmmds_core.reports.drift_history import PageContext
from pmmds_core.reports.drift_view import view_of
from pmmds_core.stores.lifecycle.alerts import ACKNOWLEDGED, OPEN, Alert
from pmmds_core.stores.lifecycle.history import ALERTS, Selection

N_LISTED = 100
# Features with a chart on the page of an alert; the report's page has all of them.
N_CHARTS = 6


def _list(asked: PageRequest) -> PageContent:
    status = asked.values["status"]
    filters = {"status": status} if status else {}
    rows = asked.deployment.history.page(ALERTS, Selection(N_LISTED, filters=filters)).rows
    return PageContent("Alerts", {"alerts": rows, "status": status, "n_listed": N_LISTED})


def _alert(asked: PageRequest) -> PageContent:
    deployment, alert_id = asked.deployment, asked.values["alert_id"]
    alert = _found(deployment, alert_id)
    content = {
        "alert": alert,
        "changes": deployment.alerts.changes(alert_id),
        "runs": deployment.history.retrainings(alert_id),
        "can_acknowledge": alert.status == OPEN,
        "can_resolve": alert.status in (OPEN, ACKNOWLEDGED),
        **_evidence(deployment, alert),
    }
    return PageContent(f"Alert {alert_id}", content)


def _found(deployment: Deployment, alert_id: int) -> Alert:
    try:
        alert = deployment.alerts.get(alert_id)
    except UsageError:
        raise not_found(f"There is no alert {alert_id}.") from None
    if alert.model_name != deployment.model_name:
        raise not_found(f"There is no alert {alert_id}.")
    return alert


def _evidence(deployment: Deployment, alert: Alert) -> dict[str, object]:
    """The view of the newest report of the alert, with charts of the features that changed most."""
    report = deployment.drift.get(alert.report_id)
    if report is None:
        return {"report": None, "view": None, "head": None}
    threshold = deployment.settings.drift_psi_threshold
    view = view_of(report.document, threshold, PageContext(), n_charts=N_CHARTS)
    return {"report": report, "view": view, "head": page_head(report, threshold)}


PAGES = (
    Page("/alerts", "alerts.html", _list, (text_filter("status", ""),), navigation="Alerts"),
    Page(
        "/alerts/{alert_id}",
        "alert.html",
        _alert,
        (path_parameter("alert_id", RowId, "Number of the alert"),),
        section="/alerts",
    ),
)
