"""A stored drift report as a page. The list of reports is part of the drift page.

Not here: the report's content (pmmds_core/reports/drift_view.py).
"""

from __future__ import annotations

from pmmds_console.api.parameters import RowId, path_parameter
from pmmds_console.pages.page import Page, PageContent, PageRequest
from pmmds_console.problems import not_found
from pmmds_core.drift.report import DriftReport
from pmmds_core.reports.drift_history import PageContext
from pmmds_core.reports.drift_page import PageHead
from pmmds_core.reports.drift_view import view_of

# Each chart takes about 15 ms; the table has every feature.
N_CHARTS = 12


def page_head(report: DriftReport, psi_threshold: float) -> PageHead:
    """The head of a stored report's page."""
    return PageHead(
        report.model_name,
        report.model_version,
        report.window_start,
        report.window_end,
        psi_threshold,
        report.created_at,
    )


def _report(asked: PageRequest) -> PageContent:
    report_id, deployment = asked.values["report_id"], asked.deployment
    report = deployment.drift.get(report_id)
    if report is None or report.model_name != deployment.model_name:
        raise not_found(f"There is no drift report {report_id}.")
    threshold = deployment.settings.drift_psi_threshold
    view = view_of(report.document, threshold, PageContext(), n_charts=N_CHARTS)
    content = {"report": report, "view": view, "head": page_head(report, threshold)}
    return PageContent(f"Drift report {report_id}", content)


PAGES = (
    Page(
        "/reports/{report_id}",
        "report.html",
        _report,
        (path_parameter("report_id", RowId, "Number of the report"),),
        section="/drift",
    ),
)
