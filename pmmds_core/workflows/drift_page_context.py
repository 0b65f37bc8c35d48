"""What a drift report's page is told beside its document, read from the deployment's stores.

Keep out: what becomes of it (reports/drift_history.py, reports/drift_view.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pmmds_core.deployment import Deployment
from pmmds_core.profiling.reference_profile import ReferenceProfile
from pmmds_core.reports.drift_history import PageContext, PastReport, heat_cells, hours_a_cell, past_reports
from pmmds_core.stores.monitoring.hourly_counts import hourly_counts

# A month of hourly reports would be a crowd of dots; a day of them shows where this one stands.
N_REPORTS = 24


def page_context(
    deployment: Deployment,
    profile: ReferenceProfile,
    version: str,
    start: datetime,
    end: datetime,
    document: Mapping[str, Any],
) -> PageContext:
    """PSI by hour of [start, end), and the last reports with this one before them.

    Args:
        d: whose database.
        profile: of `version`.
        version: the model version that is judged.
        start: aware instant.
        end: aware instant, exclusive.
        document: of the report that is not kept yet.
    """
    hours = hourly_counts(deployment.database, deployment.model_name, version, start, end)
    width = hours_a_cell(start, end)
    own = PastReport(
        end, version, document["n_current"], document["verdict"], {f["feature"]: f["psi"] for f in document["features"]}
    )
    earlier = past_reports(deployment.drift.recent(N_REPORTS - 1, deployment.model_name))
    return PageContext(heat_cells(profile, hours, width), width, (own, *earlier))
