"""Which retraining a run is, read from its tags, and the record of how it ended.

The sensor and the command line write the tags; assets read them. Keep out: when to retrain (retraining_policy).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pmmds_core.deployment import Deployment
from pmmds_core.retraining_policy import BLOCKED_NO_LABELS

TRIGGER, ALERT_ID, ATTEMPT = "pmmds/trigger", "pmmds/alert_id", "pmmds/attempt"


@dataclass(frozen=True)
class Trigger:
    """What began a run: an alert's attempt, or a person. `is_retraining` is False for a plain training."""

    is_retraining: bool
    trigger_type: str
    alert_id: int | None
    attempt: int

    @classmethod
    def of_tags(cls, tags: Mapping[str, str]) -> Trigger:
        alert = tags.get(ALERT_ID)
        return cls(
            TRIGGER in tags, tags.get(TRIGGER, "manual"), int(alert) if alert else None, int(tags.get(ATTEMPT, 1))
        )

    def to_tags(self) -> dict[str, str]:
        tags = {TRIGGER: self.trigger_type, ATTEMPT: str(self.attempt)}
        return tags if self.alert_id is None else {**tags, ALERT_ID: str(self.alert_id)}


def claim_attempt(d: Deployment, trigger: Trigger, run_id: str) -> None:
    """Take the attempt before any work is done. Raises TrainingError when another run has it."""
    if trigger.is_retraining:
        d.retrainings.claim(
            run_id=run_id, trigger_type=trigger.trigger_type, alert_id=trigger.alert_id, attempt=trigger.attempt
        )


def record_blocked(d: Deployment, trigger: Trigger, run_id: str, reason: str) -> None:
    if trigger.is_retraining:
        d.retrainings.finish(run_id, BLOCKED_NO_LABELS, reason)
