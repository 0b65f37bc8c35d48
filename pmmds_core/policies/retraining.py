"""When a retraining starts, and for what: one pure function for the sensor, one for a person's own request.

Add a rule here. Keep out: finding what asks for one (workflows/retraining_triggers.py), runs (stores) and launching
(the sensor).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pmmds_core.runtime.time_windows import DAY

# How a retraining ended; `running` has not.
RUNNING, PROMOTED, HELD, BLOCKED_NO_LABELS, FAILED = "running", "promoted", "held", "blocked_no_labels", "failed"
# It ended, and its model waits for a person's approval.
WAITING = "pending_approval"
# What asks for a retraining, in the order in which they are heard.
ALERT, PERFORMANCE, LABELS, SCHEDULE, MANUAL = "alert", "performance", "labels", "schedule", "manual"
# These ask on until something changes; the others have what they asked for once a model was judged.
_ASK_ON = (ALERT, PERFORMANCE)
# Dagster ends a run after half an hour; a record that still says `running` long after that is of a killed process.
MAX_RUN = timedelta(hours=2)


@dataclass(frozen=True)
class Cause:
    """Something that asks for a retraining. `key`: what its attempts are counted under; begins with the trigger type.

    `n_labels_since`: labels that arrived since its last attempt began.
    """

    trigger_type: str
    key: str
    reason: str
    alert_id: int | None = None
    n_labels_since: int = 0


@dataclass(frozen=True)
class PastRetraining:
    """One retraining, as recorded. `cause`: the key; None for a person's own. `n_new_labels`: that it found."""

    cause: str | None
    attempt: int
    outcome: str
    started_at: datetime
    finished_at: datetime | None = None
    n_new_labels: int | None = None


@dataclass(frozen=True)
class RetrainingLimits:
    """`cooldown` between attempts of one cause, and how many there may be before a person has to look.

    `max_per_day`: retrainings that may start in 24 hours, whatever asks. `min_labels`: as a retraining demands them.
    """

    cooldown: timedelta
    max_attempts: int
    max_per_day: int
    min_labels: int


@dataclass(frozen=True)
class RequestRetraining:
    """Start this attempt for this cause. A person's own request without an alert has no cause."""

    cause: Cause | None
    attempt: int

    @property
    def run_key(self) -> str:
        return f"{self.cause.key if self.cause else MANUAL}:attempt:{self.attempt}"


@dataclass(frozen=True)
class Wait:
    """Start nothing, and why."""

    reason: str
    needs_person: bool = False


def next_retraining(
    causes: Sequence[Cause],
    past: Sequence[PastRetraining],
    *,
    is_in_flight: bool,
    now: datetime,
    limits: RetrainingLimits,
) -> RequestRetraining | Wait:
    """The one retraining that starts now, or why none does.

    Args:
        causes: what asks, in the order in which it is heard.
        past: all attempts of these causes, and every retraining of the last day, in any order.
        is_in_flight: whether Dagster has one queued or running.
        now: the present instant. Records of later than this are of a clock that was set back: they count like those
            of just now, unless they are of more than a day later; those hold nothing up but stay attempts.
        limits: cool-down and bounds.
    """
    if not causes:
        return Wait("Nothing asks for a retraining.")
    obstacle = _under_way(past, is_in_flight, now) or _waits_for_approval(past)
    if obstacle is not None:
        return obstacle
    steps = [_step(cause, [p for p in past if p.cause == cause.key], now, limits) for cause in causes]
    wanted = next((s for s in steps if isinstance(s, RequestRetraining)), None)
    if wanted is None:
        waits = [s for s in steps if isinstance(s, Wait)]
        return Wait(" ".join(w.reason for w in waits), any(w.needs_person for w in waits))
    return _cap(past, now, limits) or wanted


def by_person(
    cause: Cause | None,
    past: Sequence[PastRetraining],
    *,
    is_in_flight: bool,
    is_forced: bool,
    now: datetime,
    limits: RetrainingLimits,
) -> RequestRetraining | Wait:
    """What a person's own request comes to: no cool-down and no bound of attempts; with force no cap either.

    Args:
        cause: the open alert, whose next attempt it is; None without one.
        past: as for `next_retraining`.
        is_in_flight: as there; two at once there never are.
        is_forced: whether the person insists.
        now: the present instant.
        limits: bounds.
    """
    obstacle = _under_way(past, is_in_flight, now)
    if obstacle is None and not is_forced:
        obstacle = _waits_for_approval(past) or _cap(past, now, limits)
    if obstacle is not None:
        return obstacle
    attempts = [] if cause is None else [p.attempt for p in past if p.cause == cause.key]
    return RequestRetraining(cause, 1 + max(attempts, default=0))


def gives_up(cause: str | None, outcome: str, attempt: int, max_attempts: int) -> bool:
    """Whether the end of this attempt leaves its cause to a person."""
    if cause is None or attempt < max_attempts:
        return False
    return outcome in (FAILED, BLOCKED_NO_LABELS) or (outcome == HELD and _asks_on(cause))


def _under_way(past: Sequence[PastRetraining], is_in_flight: bool, now: datetime) -> Wait | None:
    if is_in_flight or any(p.outcome == RUNNING and -DAY <= now - p.started_at < MAX_RUN for p in past):
        return Wait("A retraining is under way.")
    return None


def _waits_for_approval(past: Sequence[PastRetraining]) -> Wait | None:
    if any(p.outcome == WAITING for p in past):
        return Wait("A model of an earlier retraining waits for approval (`pmmds decisions`).", needs_person=True)
    return None


def _cap(past: Sequence[PastRetraining], now: datetime, limits: RetrainingLimits) -> Wait | None:
    """A window of 24 hours, not a calendar day: midnight lets no burst through."""
    of_today = sorted(p.started_at for p in past if now - DAY < p.started_at <= now + DAY)
    if len(of_today) < limits.max_per_day:
        return None
    free_at = min(of_today[-limits.max_per_day], now) + DAY
    return Wait(
        f"{len(of_today)} retrainings began in the last 24 hours, of {limits.max_per_day} that may "
        f"(PMMDS_RETRAIN_MAX_PER_DAY); the next may start at {free_at:%Y-%m-%d %H:%M} UTC."
    )


def _step(
    cause: Cause, attempts: Sequence[PastRetraining], now: datetime, limits: RetrainingLimits
) -> RequestRetraining | Wait:
    if not attempts:
        return RequestRetraining(cause, 1)
    last = max(attempts, key=lambda p: p.attempt)
    if not _asks_on(cause.key) and last.outcome in (HELD, PROMOTED):
        return Wait(f"{_name(cause)} has had its model: {last.outcome}.")
    if last.attempt >= limits.max_attempts:
        return Wait(
            f"{_name(cause)} has used its {limits.max_attempts} attempts (the last one: {last.outcome}); "
            "it waits for a person.",
            needs_person=True,
        )
    missing = _missing_labels(last, limits) - cause.n_labels_since
    if last.outcome == BLOCKED_NO_LABELS and missing > 0:
        return Wait(f"Attempt {last.attempt} of {_name(cause)} ended as {last.outcome}; it waits for {missing} labels.")
    ready_at = _ended_at(last, now) + limits.cooldown
    if now < ready_at:
        return Wait(
            f"Attempt {last.attempt} of {_name(cause)} ended as {last.outcome}; "
            f"the next may start at {ready_at:%H:%M:%S} UTC."
        )
    return RequestRetraining(cause, last.attempt + 1)


def _missing_labels(blocked: PastRetraining, limits: RetrainingLimits) -> int:
    """How many more a blocked attempt would have needed; a few in any case, such as when all were of one class."""
    return max(limits.min_labels - (blocked.n_new_labels or 0), limits.min_labels // 10, 1)


def _ended_at(last: PastRetraining, now: datetime) -> datetime:
    ended_at = last.finished_at or last.started_at
    return ended_at if ended_at <= now + DAY else now - DAY


def _asks_on(key: str) -> bool:
    return key.partition(":")[0] in _ASK_ON


def _name(cause: Cause) -> str:
    return f"Alert {cause.alert_id}" if cause.alert_id is not None else f"Cause {cause.key}"
