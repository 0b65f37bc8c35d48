"""When an alert starts a retraining: one pure function for the sensor and the command line.

Keep out: reading alerts and runs (stores) and launching (the sensor).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

# How a retraining ended; `running` has not.
RUNNING, PROMOTED, HELD, BLOCKED_NO_LABELS, FAILED = "running", "promoted", "held", "blocked_no_labels", "failed"
# It ended, and its model waits for a person's approval.
WAITING = "pending_approval"


@dataclass(frozen=True)
class RetrainingAttempt:
    """One retraining of an alert, as recorded."""

    attempt: int
    outcome: str
    started_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class RetrainingLimits:
    """`cooldown` between attempts of one alert, and how many there may be before a person has to look."""

    cooldown: timedelta
    max_attempts: int


@dataclass(frozen=True)
class RequestRetraining:
    """Start this attempt of this alert."""

    alert_id: int
    attempt: int

    @property
    def run_key(self) -> str:
        return f"alert:{self.alert_id}:attempt:{self.attempt}"


@dataclass(frozen=True)
class Wait:
    """Start nothing, and why."""

    reason: str
    needs_person: bool = False


def next_step(
    alert_id: int,
    attempts: Sequence[RetrainingAttempt],
    *,
    is_in_flight: bool,
    now: datetime,
    limits: RetrainingLimits,
) -> RequestRetraining | Wait:
    """What an open alert asks for now.

    Args:
        alert_id: the alert, which is open.
        attempts: retrainings it has started, in any order.
        is_in_flight: whether any retraining is queued or running, for this alert or another.
        now: the present instant.
        limits: cool-down and bound.
    """
    if is_in_flight or any(a.outcome == RUNNING for a in attempts):
        return Wait("A retraining is under way.")
    if any(a.outcome == WAITING for a in attempts):
        return Wait(
            f"A model that alert {alert_id} asked for waits for approval (`pmmds decisions`).", needs_person=True
        )
    if len(attempts) >= limits.max_attempts:
        last = max(attempts, key=lambda a: a.attempt)
        return Wait(
            f"Alert {alert_id} has used its {limits.max_attempts} attempts (the last one: {last.outcome}); "
            "it waits for a person.",
            needs_person=True,
        )
    if not attempts:
        return RequestRetraining(alert_id, 1)
    last = max(attempts, key=lambda a: a.attempt)
    ready_at = (last.finished_at or last.started_at) + limits.cooldown
    if now < ready_at:
        return Wait(f"Attempt {last.attempt} ended as {last.outcome}; the next may start at {ready_at:%H:%M:%S} UTC.")
    return RequestRetraining(alert_id, last.attempt + 1)
