"""The events of a model: registrations, decisions, alerts and comments.

Not here: the pages that show them (versions.py, feature_time.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pmmds_console.pages.decisions import outcome
from pmmds_core.deployment import Deployment
from pmmds_core.stores.lifecycle.history import ALERTS, DECISIONS, VERSIONS, Listing, Selection

# Rows of each kind; the lists have all.
N_ROWS = 200


@dataclass(frozen=True)
class Event:
    """Something that happened. `lane`: its kind; `tone`: good, bad or quiet; `path`: the page about it."""

    at: datetime
    lane: str
    tone: str
    text: str
    path: str


def events_since(deployment: Deployment, since: datetime) -> Iterator[Event]:
    """Registrations, decisions, alerts and comments since a time, at most N_ROWS of each kind, in no order."""
    for row in rows_since(deployment, VERSIONS, since):
        version = row["version"]
        yield Event(row["registered_at"], "trained", "quiet", f"v{version} was registered.", f"/versions/{version}")
    for row in rows_since(deployment, DECISIONS, since):
        word = outcome(row["kind"], row["state"], promoted=row["promoted"])
        lane = {"rollback": "rollback", "manual": "moved"}.get(row["kind"], "promotion")
        tone = "bad" if lane == "rollback" else "good" if word == "promoted" else "quiet"
        text = f"v{row['challenger_version']} {word}: {row['promotion_reason']}"
        yield Event(row["decided_at"], lane, tone, text, f"/decisions/{row['decision_id']}")
    for row in rows_since(deployment, ALERTS, since):
        yield Event(row["opened_at"], "alert", "bad", row["message"], f"/alerts/{row['alert_id']}")
    for change in deployment.alerts.changes_with_note(deployment.model_name, since, N_ROWS):
        text = f"{change.changed_by} on alert {change.alert_id}: {change.note}"
        yield Event(change.changed_at, "comment", "quiet", text, f"/alerts/{change.alert_id}")


def rows_since(deployment: Deployment, listing: Listing, since: datetime | None) -> Sequence[Mapping[str, Any]]:
    """The newest rows of a list since a time, at most N_ROWS."""
    return deployment.history.page(listing, Selection(N_ROWS, since=since)).rows
