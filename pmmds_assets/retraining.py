"""Which retraining a run is, read from its tags, and the record of how it ended.

The sensor and the command line write the tags; assets read them. Keep out: when to retrain (retraining_policy).
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
    """What began a run: an attempt of a cause, or a person. `is_retraining` is False for a plain training."""

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
        """`trigger_type`: of who asks, where it is not the cause's own."""
        cause = request.trigger
        if cause is None:
            return cls(True, trigger_type or MANUAL, None, request.attempt)
        kind = trigger_type or cause.trigger_type
        return cls(True, kind, cause.alert_id, request.attempt, cause.key, cause.reason)

    def to_tags(self) -> dict[str, str]:
        known = {
            ALERT_ID: "" if self.alert_id is None else str(self.alert_id),
            CAUSE: self.cause or "",
            CAUSE_TEXT: self.cause_text,
        }
        given = {name: value for name, value in known.items() if value}
        return {TRIGGER: self.trigger_type, ATTEMPT: str(self.attempt), **given}

    def of_run(self, run_id: str) -> Attempt:
        return Attempt(run_id, self.trigger_type, self.attempt, self.cause, self.cause_text, self.alert_id)


def claim_attempt(deployment: Deployment, trigger: Trigger, run_id: str) -> None:
    """Take the attempt before any work is done. Raises TrainingError when another run has it."""
    if trigger.is_retraining:
        deployment.retrainings.claim(trigger.of_run(run_id))


def record_blocked(deployment: Deployment, trigger: Trigger, run_id: str, reason: str, n_new_labels: int) -> None:
    if trigger.is_retraining:
        end_retraining(deployment, run_id, BLOCKED_NO_LABELS, reason, n_new_labels=n_new_labels)
