"""The timeline of versions, and one version: registration, decisions, performance and alerts.

Not here: rolling back (actions/), the registry (pmmds_core/stores/artifacts).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pmmds_console.api.parameters import path_parameter
from pmmds_console.pages.decisions import with_outcomes
from pmmds_console.pages.drift import WEEKS
from pmmds_console.pages.events import Event, events_since, rows_since
from pmmds_console.pages.page import Page, PageContent, PageRequest
from pmmds_console.pages.performance import quality_chart
from pmmds_console.problems import not_found
from pmmds_core.deployment import Deployment
from pmmds_core.reports import charts
from pmmds_core.reports.performance_page import daily_points
from pmmds_core.reports.time_axis import roomy_axis
from pmmds_core.stores.lifecycle.history import ALERTS, DECISIONS, PERFORMANCE, VERSIONS, Selection

N_SHOWN = 50
WIDTH = 860


def _timeline(asked: PageRequest) -> PageContent:
    deployment, n_weeks = asked.deployment, asked.values["weeks"]
    since = datetime.now(UTC) - timedelta(weeks=n_weeks)
    events = sorted(events_since(deployment, since), key=lambda e: e.at, reverse=True)
    documents = [row["document"] for row in rows_since(deployment, PERFORMANCE, since)]
    pointer = deployment.decisions.pointer()
    content = {
        "versions": rows_since(deployment, VERSIONS, None),
        "live": pointer.version if pointer else "",
        "weeks": n_weeks,
        "events": events[:N_SHOWN],
        "n_more": max(0, len(events) - N_SHOWN),
        **_charts(deployment, documents, events),
    }
    return PageContent("Versions", content)


def _charts(deployment: Deployment, documents: Sequence[Mapping[str, Any]], events: Sequence[Event]) -> dict[str, str]:
    """The quality by day and the events below it, on one time axis."""
    days = [point["at"] for document in documents for point in daily_points(document)]
    if not days and not events:
        return {"quality": "", "lanes": ""}
    # Half a day on both sides, so that a day's mark is not cut.
    axis = roomy_axis(days + [e.at for e in events], timedelta(hours=12))
    lanes = charts.ChartText(
        "lanes", "Events", "Registrations, promotions, rollbacks, alerts and comments; listed below."
    )
    rows = [{"at": e.at, "lane": e.lane, "tone": e.tone} for e in sorted(events, key=lambda e: e.lane)]
    return {
        "quality": quality_chart(deployment, documents, axis, WIDTH),
        "lanes": charts.events(lanes, rows, axis, width=WIDTH),
    }


def _version(asked: PageRequest) -> PageContent:
    deployment, version = asked.deployment, asked.values["model_version"]
    found = deployment.registrations.of_version(version)
    decisions = deployment.history.page(DECISIONS, Selection(N_SHOWN, filters={"model_version": version})).rows
    pointer = deployment.decisions.pointer()
    if found is None and not decisions:
        raise not_found(f"PMMDS registered no model version {version[:32]!r}.")
    content = {
        "version": version,
        "registration": found,
        "is_live": pointer is not None and pointer.version == version,
        "decisions": with_outcomes(decisions),
        "alerts": deployment.history.page(ALERTS, Selection(N_SHOWN, filters={"model_version": version})).rows,
        "days": [_day(row) for row in _days(deployment, version)],
    }
    return PageContent(f"Version {version}", content)


def _days(deployment: Deployment, version: str) -> Sequence[Mapping[str, Any]]:
    return deployment.history.page(PERFORMANCE, Selection(N_SHOWN, filters={"model_version": version})).rows


def _day(row: Mapping[str, Any]) -> dict[str, Any]:
    document = row["document"]
    realized, estimated = document.get("realized"), document.get("estimated") or {}
    return {
        "day": f"{row['day']:%Y-%m-%d}",
        "n_rows": row["n_rows"],
        "n_labelled": row["n_labelled"],
        "realized": realized["roc_auc"] if realized else None,
        "reason": document["reason"],
        "estimated": estimated.get("roc_auc"),
        "is_valid": bool(estimated.get("is_valid")),
    }


PAGES = (
    Page("/versions", "versions.html", _timeline, (WEEKS,), navigation="Versions"),
    Page(
        "/versions/{model_version}",
        "version.html",
        _version,
        (path_parameter("model_version", str, "The version in the registry"),),
        section="/versions",
    ),
)
