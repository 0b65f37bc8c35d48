"""Title and text of the notifications about decisions and retrainings that go to PMMDS_ALERT_URLS, and their retries.

Add a message here. Not here: messages about alerts (stores/lifecycle/alerts.py), the outbox and the notifier
(stores/lifecycle).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pmmds_core.policies.decision import ROLLBACK, Decision
from pmmds_core.policies.rollback import AUTOMATIC_ROLLBACK

# The pauses are 30 s and 1, 2, 4, 8, 16 and 32 min, about an hour in total. Then the alert's history shows the failure.
MAX_ATTEMPTS = 8
FIRST_PAUSE = timedelta(seconds=30)


@dataclass(frozen=True)
class NotificationText:
    """The content of a notification.

    `subject` identifies the change, so that each target is notified of the change only once.
    """

    subject: str
    title: str
    body: str


def pending_approval(decision: Decision) -> NotificationText:
    version = f"{decision.model_name} v{decision.challenger_version}"
    return NotificationText(
        _subject(decision, "pending"),
        f"{version} is pending approval",
        f"{decision.promotion_reason} Run `pmmds approve {decision.decision_id} --by NAME` or `pmmds reject`.",
    )


def rolled_back(decision: Decision) -> NotificationText:
    name, gone = decision.model_name, decision.champion_version or "?"
    return NotificationText(
        _subject(decision, "recorded"),
        f"{name} v{gone} was rolled back",
        f"v{decision.challenger_version} is in production again. {decision.promotion_reason}",
    )


def rollback_aborted(decision: Decision, why: str) -> NotificationText:
    return NotificationText(
        _subject(decision, "aborted"),
        f"{decision.model_name} v{decision.champion_version} was not rolled back",
        f"The automatic rollback to v{decision.challenger_version} was aborted: {why}. {decision.promotion_reason}",
    )


def is_automatic_rollback(decision: Decision) -> bool:
    """Return True for a rollback by the automatic rule. Manual rollbacks send no notification."""
    return decision.kind == ROLLBACK and decision.changed_by == AUTOMATIC_ROLLBACK


def gave_up(model_name: str, retraining_id: str, message: str) -> NotificationText:
    title = f"Retraining of {model_name} needs manual action"
    return NotificationText(f"retraining:{retraining_id}:gave_up", title, message)


def _subject(decision: Decision, state: str) -> str:
    return f"decision:{decision.decision_id}:{state}"
