"""The events for webhooks, each with a type, a subject and a document.

A document has the fields of the same resource of the monitoring API. Fields may be added. If the meaning of a field
changes, increase VERSION. Add an event here and its row in docs/webhooks.md. Not here: writing events into the outbox
(stores/lifecycle/publisher.py), sending them (stores/lifecycle/webhook_sender.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VERSION = 1
# Alerts and retrainings: opened, escalated, acknowledged, resolved; started, finished, gave_up.
STARTED, FINISHED, GAVE_UP = "started", "finished", "gave_up"
# Decisions: `kind` is promotion, rollback or manual.
DECIDED, AWAITS_APPROVAL, APPROVED, REJECTED, MOVED, ABORTED = (
    "decided",
    "pending_approval",
    "approved",
    "rejected",
    "moved",
    "aborted",
)
ALERT_FIELDS = (
    "alert_id",
    "model_name",
    "model_version",
    "report_id",
    "status",
    "severity",
    "drift_type",
    "message",
    "n_reports",
    "opened_at",
    "last_seen_at",
    "changed_by",
    "changed_at",
    "note",
)
RETRAINING_FIELDS = (
    "retraining_id",
    "model_name",
    "alert_id",
    "trigger_type",
    "cause_text",
    "attempt",
    "run_id",
    "outcome",
    "reason",
    "challenger_version",
    "started_at",
    "finished_at",
)
DECISION_FIELDS = (
    "decision_id",
    "model_name",
    "kind",
    "challenger_version",
    "champion_version",
    "promoted",
    "primary_metric_improvement",
    "promotion_reason",
    "state",
    "state_reason",
    "changed_by",
    "run_id",
    "decided_at",
    "moved_at",
)


@dataclass(frozen=True)
class Event:
    """One event of a webhook.

    `kind` is the type, such as `alert.opened`. `subject` identifies the change, which has one event. `page` is the path
    of the console page about `data`, such as `/alerts/3`, or empty if there is none.
    """

    kind: str
    subject: str
    data: Mapping[str, Any]
    page: str


def alert_event(alert: object, what: str, change_id: int) -> Event:
    """Return the event of a change to an alert. `alert` is a row with ALERT_FIELDS after the change."""
    data = _document(alert, ALERT_FIELDS)
    return Event(f"alert.{what}", f"event:alert_change:{change_id}", data, alert_page(data["alert_id"]))


def retraining_event(run: object, what: str) -> Event:
    """Return the event of a retraining. `run` is a row with RETRAINING_FIELDS after the change."""
    data = _document(run, RETRAINING_FIELDS)
    page = "" if data["alert_id"] is None else alert_page(data["alert_id"])
    return Event(f"retraining.{what}", f"event:retraining:{data['retraining_id']}:{what}", data, page)


def decision_event(decision: object, what: str) -> Event:
    """Return the event of a decision. `decision` is a row with DECISION_FIELDS after the change."""
    data = _document(decision, DECISION_FIELDS)
    subject = f"event:decision:{data['decision_id']}:{what}"
    return Event(f"{data['kind']}.{what}", subject, data, decision_page(data["decision_id"]))


def alert_page(alert_id: int) -> str:
    """Return the path of the console page of an alert."""
    return f"/alerts/{alert_id}"


def decision_page(decision_id: str) -> str:
    """Return the path of the console page of a decision."""
    return f"/decisions/{decision_id}"


def version_page(model_version: str) -> str:
    """Return the path of the console page of a model version."""
    return f"/versions/{model_version}"


def console_link(console_url: str, page: str) -> str:
    """Return the public address of a console page.

    The result is an empty string if PMMDS_CONSOLE_URL is not set or there is no page.
    """
    return f"{console_url.rstrip('/')}{page}" if console_url and page else ""


def _document(row: object, fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in fields}
