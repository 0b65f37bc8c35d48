"""Rules for starting a retraining and choosing its trigger, as pure functions for the sensor and manual requests.

Add a rule here. Not here: finding active triggers (workflows/retraining_triggers.py), database rows (stores),
launching runs (pmmds_assets/sensors.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pmmds_core.runtime.plurals import counted, plural
from pmmds_core.runtime.time_windows import DAY

# The outcomes of a retraining.
RUNNING, PROMOTED, HELD, BLOCKED_NO_LABELS, FAILED = "running", "promoted", "held", "blocked_no_labels", "failed"
# The retraining has finished, and its model is pending approval.
WAITING = "pending_approval"
# The trigger types in order of priority.
ALERT, PERFORMANCE, LABELS, SCHEDULE, MANUAL = "alert", "performance", "labels", "schedule", "manual"
# These triggers stay active if the model is held. All other triggers end as soon as a model has been evaluated.
_PERSISTENT = (ALERT, PERFORMANCE)
# Dagster ends a run after 30 minutes, so a record that has been `running` for much longer belongs to a killed process.
MAX_RUN = timedelta(hours=2)


@dataclass(frozen=True)
class RetrainingTrigger:
    """A reason to retrain. Attempts are counted by `key`, which starts with the trigger type.

    `n_labels_since` is the number of labels that arrived since its last attempt started.
    """

    trigger_type: str
    key: str
    reason: str
    alert_id: int | None = None
    n_labels_since: int = 0


@dataclass(frozen=True)
class PastRetraining:
    """A recorded retraining.

    `cause` is the key of the trigger, or None if the retraining was requested manually. `n_new_labels` is the number of
    labels that are new to the champion.
    """

    cause: str | None
    attempt: int
    outcome: str
    started_at: datetime
    finished_at: datetime | None = None
    n_new_labels: int | None = None


@dataclass(frozen=True)
class RetrainingLimits:
    """Limits on retrainings. `cooldown` is the minimum time between a trigger's attempts.

    After `max_attempts`, a trigger needs manual action. `max_per_day` limits the retrainings of all triggers in 24
    hours. `min_labels` is the number of labels required for a retraining.
    """

    cooldown: timedelta
    max_attempts: int
    max_per_day: int
    min_labels: int


@dataclass(frozen=True)
class RequestRetraining:
    """A decision to start this attempt for this trigger.

    The trigger is None for a manual request that is made while no trigger is active.
    """

    trigger: RetrainingTrigger | None
    attempt: int

    @property
    def run_key(self) -> str:
        return f"{self.trigger.key if self.trigger else MANUAL}:attempt:{self.attempt}"


@dataclass(frozen=True)
class Wait:
    """A decision not to start a retraining now.

    `needs_person` is True if waiting is not enough and manual action is needed.
    """

    reason: str
    needs_person: bool = False


def next_retraining(
    triggers: Sequence[RetrainingTrigger],
    past: Sequence[PastRetraining],
    *,
    is_in_flight: bool,
    now: datetime,
    limits: RetrainingLimits,
) -> RequestRetraining | Wait:
    """Return the retraining to start now, or the reason not to start one.

    Args:
        triggers: active triggers in order of priority.
        past: all attempts of these triggers and all retrainings of the last day, in any order.
        is_in_flight: True if a retraining is queued or running in Dagster.
        now: the current time. Later records exist if the clock was set back. If they are up to a day ahead, they count
            as if they had just happened. Otherwise, they count only as attempts.
        limits: the retraining limits.
    """
    if not triggers:
        return Wait("No retraining trigger is active.")
    obstacle = _in_progress(past, is_in_flight, now) or _waits_for_approval(past)
    if obstacle is not None:
        return obstacle
    steps = [_step(trigger, [p for p in past if p.cause == trigger.key], now, limits) for trigger in triggers]
    request = next((s for s in steps if isinstance(s, RequestRetraining)), None)
    if request is None:
        waits = [s for s in steps if isinstance(s, Wait)]
        return Wait(" ".join(w.reason for w in waits), any(w.needs_person for w in waits))
    return _cap(past, now, limits) or request


def by_person(
    trigger: RetrainingTrigger | None,
    past: Sequence[PastRetraining],
    *,
    is_in_flight: bool,
    is_forced: bool,
    now: datetime,
    limits: RetrainingLimits,
) -> RequestRetraining | Wait:
    """Return the outcome of a manual request.

    A manual request ignores the cool-down and the attempt limit and, if it is forced, also the daily cap.

    Args:
        trigger: the trigger whose next attempt this is, or None if none is active.
        past: the same as in `next_retraining`.
        is_in_flight: the same as in `next_retraining`. Two retrainings never run at the same time, even if one is
            forced.
        is_forced: True to ignore the daily cap and a model that is pending approval.
        now: the current time.
        limits: the retraining limits.
    """
    obstacle = _in_progress(past, is_in_flight, now)
    if obstacle is None and not is_forced:
        obstacle = _waits_for_approval(past) or _cap(past, now, limits)
    if obstacle is not None:
        return obstacle
    attempts = [] if trigger is None else [p.attempt for p in past if p.cause == trigger.key]
    return RequestRetraining(trigger, 1 + max(attempts, default=0))


def gives_up(trigger_key: str | None, outcome: str, attempt: int, max_attempts: int) -> bool:
    """Return True if the trigger needs manual action after this attempt."""
    if trigger_key is None or attempt < max_attempts:
        return False
    return outcome in (FAILED, BLOCKED_NO_LABELS) or (outcome == HELD and _is_persistent(trigger_key))


def _in_progress(past: Sequence[PastRetraining], is_in_flight: bool, now: datetime) -> Wait | None:
    if is_in_flight or any(p.outcome == RUNNING and -DAY <= now - p.started_at < MAX_RUN for p in past):
        return Wait("A retraining is in progress.")
    return None


def _waits_for_approval(past: Sequence[PastRetraining]) -> Wait | None:
    if any(p.outcome == WAITING for p in past):
        return Wait("The model of a previous retraining is pending approval (`pmmds decisions`).", needs_person=True)
    return None


def _cap(past: Sequence[PastRetraining], now: datetime, limits: RetrainingLimits) -> Wait | None:
    """Apply the daily cap to the last 24 hours. Calendar days would allow a burst around midnight."""
    recent = sorted(p.started_at for p in past if now - DAY < p.started_at <= now + DAY)
    if len(recent) < limits.max_per_day:
        return None
    free_at = min(recent[-limits.max_per_day], now) + DAY
    return Wait(
        f"{counted(len(recent), 'retraining')} started in the last 24 hours; the limit is {limits.max_per_day} "
        f"(PMMDS_RETRAIN_MAX_PER_DAY). The next may start at {free_at:%Y-%m-%d %H:%M} UTC."
    )


def _step(
    trigger: RetrainingTrigger, attempts: Sequence[PastRetraining], now: datetime, limits: RetrainingLimits
) -> RequestRetraining | Wait:
    if not attempts:
        return RequestRetraining(trigger, 1)
    last = max(attempts, key=lambda p: p.attempt)
    if not _is_persistent(trigger.key) and last.outcome in (HELD, PROMOTED):
        return Wait(f"{_name(trigger)} already led to a model: {last.outcome}.")
    if last.attempt >= limits.max_attempts:
        return Wait(
            f"{_name(trigger)} has used {plural(limits.max_attempts, 'its only', f'all {limits.max_attempts}')} "
            f"{plural(limits.max_attempts, 'attempt')} (last outcome: {last.outcome}) "
            "and needs manual action.",
            needs_person=True,
        )
    missing = _missing_labels(last, limits) - trigger.n_labels_since
    if last.outcome == BLOCKED_NO_LABELS and missing > 0:
        return Wait(
            f"Attempt {last.attempt} of {_name(trigger)} ended as {last.outcome}; "
            f"{counted(missing, 'label is', 'labels are')} missing."
        )
    ready_at = _ended_at(last, now) + limits.cooldown
    if now < ready_at:
        return Wait(
            f"Attempt {last.attempt} of {_name(trigger)} ended as {last.outcome}; "
            f"the next may start at {ready_at:%H:%M:%S} UTC."
        )
    return RequestRetraining(trigger, last.attempt + 1)


def _missing_labels(blocked: PastRetraining, limits: RetrainingLimits) -> int:
    """Return the number of labels that the blocked attempt lacked.

    The result is at least a few labels, because all labels may be of one class.
    """
    return max(limits.min_labels - (blocked.n_new_labels or 0), limits.min_labels // 10, 1)


def _ended_at(last: PastRetraining, now: datetime) -> datetime:
    ended_at = last.finished_at or last.started_at
    return ended_at if ended_at <= now + DAY else now - DAY


def _is_persistent(trigger_key: str) -> bool:
    return trigger_key.partition(":")[0] in _PERSISTENT


def _name(trigger: RetrainingTrigger) -> str:
    return f"Alert {trigger.alert_id}" if trigger.alert_id is not None else f"Trigger {trigger.key}"
