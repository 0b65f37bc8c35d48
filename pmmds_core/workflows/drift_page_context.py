"""Reads the data for a drift report page that is not in its document: hourly PSI and previous reports.

Not here: the content built from it (reports/drift_history.py, reports/drift_view.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pmmds_core.deployment import Deployment
from pmmds_core.drift.few_rows import has_enough_rows
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.reports.drift_history import PageContext, PastReport, heat_cells, hours_a_cell, past_reports
from pmmds_core.stores.monitoring.hourly_counts import hourly_counts

# This is one day of hourly reports. More points would be unreadable.
N_REPORTS = 24


def page_context(
    deployment: Deployment,
    profile: ReferenceProfile,
    version: str,
    start: datetime,
    end: datetime,
    document: Mapping[str, Any],
) -> PageContext:
    """Return the hourly PSI in [start, end), and the current report with the previous reports.

    The hourly PSI is empty if the window has too few rows.

    Args:
        deployment: the deployment.
        profile: the reference profile of `version`.
        version: the monitored model version.
        start: a timezone-aware datetime.
        end: a timezone-aware datetime, which is exclusive.
        document: the document of the current report, which is not stored yet.
    """
    hours = hourly_counts(deployment.database, deployment.model_name, version, start, end)
    width = hours_a_cell(start, end)
    current = PastReport(
        end, version, document["n_current"], document["verdict"], {f["feature"]: f["psi"] for f in document["features"]}
    )
    previous = past_reports(deployment.drift.recent(N_REPORTS - 1, deployment.model_name))
    cells = heat_cells(profile, hours, width) if has_enough_rows(document) else []
    return PageContext(cells, width, (current, *previous))
