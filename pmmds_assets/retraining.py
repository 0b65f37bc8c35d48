"""Stores the trigger of a retraining run in its tags, and records the run's outcome.

The sensor and the command line write the tags, and the assets read them. Not here: when to retrain
(pmmds_core.policies.retraining).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pmmds_core.deployment import Deployment
from pmmds_core.policies.retraining import BLOCKED_NO_LABELS, MANUAL, RequestRetraining
from pmmds_core.stores.lifecycle.retrainings import Attempt, alert_cause
from pmmds_core.workflows.retraining_outcome import end_retraining

TRIGGER, ALERT_ID, ATTEMPT = "pmmds/trigger", "pmmds/alert_id", "pmmds/attempt"
CAUSE, CAUSE_TEXT = "pmmds/cause", "pmmds/cause_text"


@dataclass(frozen=True)
class Trigger:
    """What started a run: a trigger or a manual request. `is_retraining` is False for a training run."""

    is_retraining: bool
    trigger_type: str
    alert_id: int | None
    attempt: int
    cause: str | None = None
    cause_text: str = ""

    @classmethod
    def of_tags(cls, tags: Mapping[str, str]) -> Trigger:
        alert = tags.get(ALERT_ID)
        return cls(
            TRIGGER in tags,
            tags.get(TRIGGER, MANUAL),
            int(alert) if alert else None,
            int(tags.get(ATTEMPT, 1)),
            tags.get(CAUSE) or (alert_cause(int(alert)) if alert else None),
            tags.get(CAUSE_TEXT, ""),
        )

    @classmethod
    def of_request(cls, request: RequestRetraining, trigger_type: str = "") -> Trigger:
        """Return the request's trigger. `trigger_type` overrides the type of the trigger."""
        trigger = request.trigger
        if trigger is None:
            return cls(True, trigger_type or MANUAL, None, request.attempt)
        kind = trigger_type or trigger.trigger_type
        return cls(True, kind, trigger.alert_id, request.attempt, trigger.key, trigger.reason)

    def to_tags(self) -> dict[str, str]:
        optional = {
            ALERT_ID: "" if self.alert_id is None else str(self.alert_id),
            CAUSE: self.cause or "",
            CAUSE_TEXT: self.cause_text,
        }
        given = {name: value for name, value in optional.items() if value}
        return {TRIGGER: self.trigger_type, ATTEMPT: str(self.attempt), **given}

    def of_run(self, run_id: str) -> Attempt:
        return Attempt(run_id, self.trigger_type, self.attempt, self.cause, self.cause_text, self.alert_id)


def claim_attempt(deployment: Deployment, trigger: Trigger, run_id: str) -> None:
    """Claim the attempt before doing any work. Raises TrainingError if another run has already claimed the attempt."""
    if trigger.is_retraining:
        deployment.retrainings.claim(trigger.of_run(run_id))


def record_blocked(deployment: Deployment, trigger: Trigger, run_id: str, reason: str, n_new_labels: int) -> None:
    if trigger.is_retraining:
        end_retraining(deployment, run_id, BLOCKED_NO_LABELS, reason, n_new_labels=n_new_labels)
