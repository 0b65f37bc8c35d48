"""The timeline of versions, and one version: registration, decisions, performance and alerts.

Not here: rolling back (actions/), the registry (pmmds_core/stores/artifacts).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pmmds_console.api.parameters import path_parameter
from pmmds_console.pages.decisions import outcome, with_outcomes
from pmmds_console.pages.drift import WEEKS
from pmmds_console.pages.page import Page, PageContent, PageRequest
from pmmds_console.problems import not_found
from pmmds_core.deployment import Deployment
from pmmds_core.reports import charts
from pmmds_core.reports.performance_page import daily_points
from pmmds_core.reports.time_axis import roomy_axis
from pmmds_core.stores.lifecycle.history import ALERTS, DECISIONS, PERFORMANCE, VERSIONS, Listing, Selection

# Rows of each kind on the timeline; the lists have all.
N_ROWS = 200
N_SHOWN = 50
WIDTH = 860


@dataclass(frozen=True)
class Event:
    """Something that happened. `lane`: its kind; `tone`: good, bad or quiet; `path`: the page about it."""

    at: datetime
    lane: str
    tone: str
    text: str
    path: str


def _timeline(asked: PageRequest) -> PageContent:
    deployment, n_weeks = asked.deployment, asked.values["weeks"]
    since = datetime.now(UTC) - timedelta(weeks=n_weeks)
    events = sorted(_events(deployment, since), key=lambda e: e.at, reverse=True)
    documents = [row["document"] for row in _rows(deployment, PERFORMANCE, since)]
    pointer = deployment.decisions.pointer()
    content = {
        "versions": _rows(deployment, VERSIONS, None),
        "live": pointer.version if pointer else "",
        "weeks": n_weeks,
        "events": events[:N_SHOWN],
        "n_more": max(0, len(events) - N_SHOWN),
        **_charts(documents, events),
    }
    return PageContent("Versions", content)


def _rows(deployment: Deployment, listing: Listing, since: datetime | None) -> Sequence[Mapping[str, Any]]:
    return deployment.history.page(listing, Selection(N_ROWS, since=since)).rows


def _events(deployment: Deployment, since: datetime) -> Iterator[Event]:
    for row in _rows(deployment, VERSIONS, since):
        version = row["version"]
        yield Event(row["registered_at"], "trained", "quiet", f"v{version} was registered.", f"/versions/{version}")
    for row in _rows(deployment, DECISIONS, since):
        word = outcome(row["kind"], row["state"], promoted=row["promoted"])
        lane = {"rollback": "rollback", "manual": "moved"}.get(row["kind"], "promotion")
        tone = "bad" if lane == "rollback" else "good" if word == "promoted" else "quiet"
        text = f"v{row['challenger_version']} {word}: {row['promotion_reason']}"
        yield Event(row["decided_at"], lane, tone, text, f"/decisions/{row['decision_id']}")
    for row in _rows(deployment, ALERTS, since):
        yield Event(row["opened_at"], "alert", "bad", row["message"], f"/alerts/{row['alert_id']}")
    for change in deployment.alerts.changes_with_note(deployment.model_name, since, N_ROWS):
        text = f"{change.changed_by} on alert {change.alert_id}: {change.note}"
        yield Event(change.changed_at, "comment", "quiet", text, f"/alerts/{change.alert_id}")


def _charts(documents: Sequence[Mapping[str, Any]], events: Sequence[Event]) -> dict[str, str]:
    """The quality by day and the events below it, on one time axis."""
    points = [point for document in documents for point in daily_points(document)]
    if not points and not events:
        return {"quality": "", "lanes": ""}
    # Half a day on both sides, so that a day's mark is not cut.
    axis = roomy_axis([p["at"] for p in points] + [e.at for e in events], timedelta(hours=12))
    quality = charts.ChartText("quality", "ROC-AUC by day", "Realized from labels, and estimated without them.")
    lanes = charts.ChartText(
        "lanes", "Events", "Registrations, promotions, rollbacks, alerts and comments; listed below."
    )
    rows = [{"at": e.at, "lane": e.lane, "tone": e.tone} for e in sorted(events, key=lambda e: e.lane)]
    return {
        "quality": charts.daily(quality, points, axis=axis, width=WIDTH),
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
