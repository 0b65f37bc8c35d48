"""What is told to PMMDS_ALERT_URLS of decisions and retrainings, as title and text.

Add a message here. Keep out: messages about alerts (stores/lifecycle/alerts.py), keeping and sending them (stores).
"""

from __future__ import annotations

from dataclasses import dataclass

from pmmds_core.policies.decision import ROLLBACK, Decision
from pmmds_core.policies.rollback import AUTOMATIC_ROLLBACK


@dataclass(frozen=True)
class Notice:
    """What a person is to know. `subject` names the change it tells of: about one, each target is told once."""

    subject: str
    title: str
    body: str


def waits_for_approval(decision: Decision) -> Notice:
    version = f"{decision.model_name} v{decision.challenger_version}"
    return Notice(
        _subject(decision, "pending"),
        f"{version} waits for approval",
        f"{decision.promotion_reason} `pmmds approve {decision.decision_id} --by NAME`, or `pmmds reject`.",
    )


def taken_back(decision: Decision) -> Notice:
    name, gone = decision.model_name, decision.champion_version or "?"
    return Notice(
        _subject(decision, "recorded"),
        f"{name} v{gone} was taken back",
        f"v{decision.challenger_version} is in production again. {decision.promotion_reason}",
    )


def not_taken_back(decision: Decision, why: str) -> Notice:
    return Notice(
        _subject(decision, "aborted"),
        f"{decision.model_name} v{decision.champion_version} was not taken back",
        f"The automatic rollback to v{decision.challenger_version} was aborted: {why}. {decision.promotion_reason}",
    )


def is_automatic_rollback(decision: Decision) -> bool:
    """A person's own rollback needs no message to people."""
    return decision.kind == ROLLBACK and decision.changed_by == AUTOMATIC_ROLLBACK


def gave_up(model_name: str, retraining_id: str, words: str) -> Notice:
    return Notice(f"retraining:{retraining_id}:gave_up", f"Retraining of {model_name} waits for a person", words)


def _subject(decision: Decision, state: str) -> str:
    return f"decision:{decision.decision_id}:{state}"
