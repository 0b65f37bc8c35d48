"""When a retraining starts: one test case per rule of the policy, and invariants for random histories."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmmds_core.policies.retraining import (
    BLOCKED_NO_LABELS,
    FAILED,
    HELD,
    PROMOTED,
    RUNNING,
    WAITING,
    PastRetraining,
    RequestRetraining,
    RetrainingLimits,
    RetrainingTrigger,
    Wait,
    by_person,
    gives_up,
    next_retraining,
)
from pmmds_core.runtime.time_windows import DAY

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = RetrainingLimits(cooldown=timedelta(minutes=60), max_attempts=3, max_per_day=6, min_labels=200)
ALERT = RetrainingTrigger("alert", "alert:7", "contract drifted", 7)
DROP = RetrainingTrigger("performance", "performance:v2", "worse than on its holdout")
LABELS = RetrainingTrigger("labels", "labels:v2:1", "500 labels")
SCHEDULE = RetrainingTrigger("schedule", "schedule:a1b2", "30 days")


def an_attempt(
    number: int,
    outcome: str,
    minutes_ago: float,
    cause: RetrainingTrigger | None = ALERT,
    n_new_labels: int | None = None,
) -> PastRetraining:
    ended = NOW - timedelta(minutes=minutes_ago)
    key = None if cause is None else cause.key
    began = ended - timedelta(minutes=1)
    return PastRetraining(key, number, outcome, began, None if outcome == RUNNING else ended, n_new_labels)


def decide(
    *past: PastRetraining, triggers: tuple[RetrainingTrigger, ...] = (ALERT,), is_in_flight: bool = False
) -> RequestRetraining | Wait:
    return next_retraining(triggers, past, is_in_flight=is_in_flight, now=NOW, limits=LIMITS)


FIVE_OTHERS = tuple(an_attempt(1, HELD, 100 + i, replace(SCHEDULE, key=f"schedule:{i}")) for i in range(5))
ENOUGH = replace(ALERT, n_labels_since=160)

# The columns are the rule, triggers, past attempts, and the expected run_key or part of the reason.
TABLE: tuple[tuple[str, tuple[RetrainingTrigger, ...], tuple[PastRetraining, ...], str], ...] = (
    ("no trigger", (), (), "No retraining trigger"),
    ("a new alert starts its first attempt", (ALERT,), (), "alert:7:attempt:1"),
    ("a performance drop starts its first attempt", (DROP,), (), "performance:v2:attempt:1"),
    ("new labels start their first attempt", (LABELS,), (), "labels:v2:1:attempt:1"),
    ("the schedule starts its first attempt", (SCHEDULE,), (), "schedule:a1b2:attempt:1"),
    ("the first of several triggers wins", (ALERT, DROP, LABELS), (), "alert:7:attempt:1"),
    (
        "a waiting trigger does not block the next",
        (ALERT, DROP),
        (an_attempt(1, FAILED, 5),),
        "performance:v2:attempt:1",
    ),
    ("only one retraining at a time", (DROP,), (an_attempt(1, RUNNING, 5),), "in progress"),
    (
        "a record of a killed process expires",
        (DROP,),
        (an_attempt(1, RUNNING, 121),),
        "performance:v2:attempt:1",
    ),
    ("a model pending approval blocks retraining", (DROP,), (an_attempt(1, WAITING, 9999),), "approval"),
    ("no retry before the cool-down", (ALERT,), (an_attempt(1, FAILED, 59),), "next may"),
    ("a failed attempt is retried after the cool-down", (ALERT,), (an_attempt(1, FAILED, 60),), "alert:7:attempt:2"),
    ("a held attempt of an alert is retried", (ALERT,), (an_attempt(1, HELD, 60),), "alert:7:attempt:2"),
    ("a held model satisfies the schedule", (SCHEDULE,), (an_attempt(1, HELD, 600, SCHEDULE),), "already led to"),
    ("a promoted model satisfies new labels", (LABELS,), (an_attempt(1, PROMOTED, 600, LABELS),), "already led to"),
    ("a failed schedule is retried", (SCHEDULE,), (an_attempt(1, FAILED, 60, SCHEDULE),), "schedule:a1b2:attempt:2"),
    (
        "a blocked attempt waits for the missing labels",
        (ALERT,),
        (an_attempt(1, BLOCKED_NO_LABELS, 600, ALERT, 40),),
        "160",
    ),
    (
        "a blocked attempt is retried with enough labels",
        (ENOUGH,),
        (an_attempt(1, BLOCKED_NO_LABELS, 60, ALERT, 40),),
        "alert:7:attempt:2",
    ),
    (
        "enough labels do not skip the cool-down",
        (ENOUGH,),
        (an_attempt(1, BLOCKED_NO_LABELS, 9, ALERT, 40),),
        "next may start",
    ),
    (
        "an attempt blocked by labels of one class waits for some",
        (ALERT,),
        (an_attempt(1, BLOCKED_NO_LABELS, 600, ALERT, 300),),
        "20 labels",
    ),
    (
        "after its last attempt a trigger needs manual action",
        (ALERT,),
        tuple(an_attempt(n, FAILED, 500) for n in (1, 2, 3)),
        "manual action",
    ),
    ("the daily cap counts all triggers", (ALERT,), (*FIVE_OTHERS, an_attempt(1, FAILED, 70)), "6 retrainings"),
    ("below the cap a retraining starts", (ALERT,), FIVE_OTHERS, "alert:7:attempt:1"),
    ("a manual retraining counts for the cap", (ALERT,), (*FIVE_OTHERS, an_attempt(1, HELD, 70, None)), "MAX_PER_DAY"),
    (
        "a retraining a day ago does not count",
        (ALERT,),
        tuple(replace(p, started_at=NOW - DAY) for p in (*FIVE_OTHERS, *FIVE_OTHERS)),
        "alert:7:attempt:1",
    ),
    (
        "a clock set back an hour lengthens the cool-down",
        (ALERT,),
        (an_attempt(1, FAILED, -30),),
        "next may start at 13:30",
    ),
    (
        "a clock set back does not lift the cap",
        (ALERT,),
        tuple(replace(p, started_at=p.started_at + timedelta(hours=2)) for p in (*FIVE_OTHERS, FIVE_OTHERS[0])),
        "MAX_PER_DAY",
    ),
    ("a record a year ahead delays nothing", (ALERT,), (an_attempt(1, FAILED, -525_600),), "alert:7:attempt:2"),
    (
        "a record a year ahead counts as an attempt",
        (ALERT,),
        tuple(an_attempt(n, FAILED, -525_600) for n in (1, 2, 3)),
        "manual action",
    ),
)


@pytest.mark.parametrize(("triggers", "past", "wanted"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_each_rule_of_the_retraining_policy_gives_the_expected_step(
    triggers: tuple[RetrainingTrigger, ...], past: tuple[PastRetraining, ...], wanted: str
) -> None:
    step = decide(*past, triggers=triggers)
    if isinstance(step, RequestRetraining):
        assert step.run_key == wanted
    else:
        assert wanted in step.reason


def test_no_retraining_starts_while_dagster_has_one_queued() -> None:
    assert isinstance(decide(is_in_flight=True), Wait)


def test_manual_action_is_required_after_the_last_attempt_or_for_approval() -> None:
    for past in ([an_attempt(n, FAILED, 500) for n in (1, 2, 3)], [an_attempt(1, WAITING, 500)]):
        step = decide(*past)
        assert isinstance(step, Wait)
        assert step.needs_person


def test_the_order_of_past_attempts_does_not_change_the_next_step() -> None:
    attempts = (an_attempt(2, FAILED, 61), an_attempt(1, FAILED, 400))
    assert decide(*attempts) == decide(*reversed(attempts)) == RequestRetraining(ALERT, 3)


@pytest.mark.parametrize(
    ("past", "is_forced", "wanted"),
    [
        ((), False, "alert:7:attempt:1"),
        ((an_attempt(1, FAILED, 1),), False, "alert:7:attempt:2"),
        (tuple(an_attempt(n, FAILED, 500) for n in (1, 2, 3)), False, "alert:7:attempt:4"),
        ((*FIVE_OTHERS, an_attempt(1, FAILED, 70)), False, "MAX_PER_DAY"),
        ((*FIVE_OTHERS, an_attempt(1, FAILED, 70)), True, "alert:7:attempt:2"),
        ((an_attempt(1, WAITING, 70),), False, "approval"),
        ((an_attempt(1, WAITING, 70),), True, "alert:7:attempt:2"),
        ((an_attempt(1, RUNNING, 7),), True, "in progress"),
    ],
    ids=[
        "first",
        "no cool-down",
        "no limit of attempts",
        "the cap applies",
        "force ignores the cap",
        "a model is pending approval",
        "force ignores a pending approval",
        "never two at once",
    ],
)
def test_a_manual_request_skips_the_cool_down_and_force_skips_the_daily_cap(
    past: tuple[PastRetraining, ...], is_forced: bool, wanted: str
) -> None:
    step = by_person(ALERT, past, is_in_flight=False, is_forced=is_forced, now=NOW, limits=LIMITS)
    assert wanted in (step.reason if isinstance(step, Wait) else step.run_key)


@pytest.mark.parametrize(
    ("trigger", "outcome", "attempt", "wanted"),
    [
        ("alert:7", FAILED, 3, True),
        ("alert:7", BLOCKED_NO_LABELS, 3, True),
        ("alert:7", HELD, 3, True),
        ("alert:7", FAILED, 2, False),
        ("alert:7", PROMOTED, 3, False),
        ("alert:7", WAITING, 3, False),
        ("schedule:a", FAILED, 3, True),
        ("schedule:a", HELD, 3, False),
        (None, FAILED, 3, False),
    ],
)
def test_manual_action_is_required_only_after_an_unsuccessful_last_attempt(
    trigger: str | None, outcome: str, attempt: int, wanted: bool
) -> None:
    assert gives_up(trigger, outcome, attempt, 3) is wanted


TRIGGERS = (ALERT, DROP, LABELS, SCHEDULE, replace(SCHEDULE, key="schedule:c3d4"))
# Each tick has a clock change in minutes (-60 sets the clock back one hour), the active triggers, and the outcome of
# the current run.
TICKS = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 20, 45, 90, 400, -60]),
        st.sets(st.integers(0, len(TRIGGERS) - 1)),
        st.sampled_from([FAILED, HELD, PROMOTED, BLOCKED_NO_LABELS, RUNNING]),
    ),
    max_size=80,
)


@given(ticks=TICKS)
def test_retrainings_never_overlap_or_exceed_the_daily_cap(ticks: list[tuple[int, set[int], str]]) -> None:
    now, lived = NOW, timedelta()
    past: list[PastRetraining] = []
    began: list[timedelta] = []  # Start times on a monotonic clock.
    keys: list[str] = []
    for minutes, active, end in ticks:
        now += timedelta(minutes=minutes)
        lived += timedelta(minutes=abs(minutes))
        if past and past[-1].outcome == RUNNING and end != RUNNING:
            past[-1] = replace(past[-1], outcome=end, finished_at=now, n_new_labels=0)
        triggers = [replace(TRIGGERS[i], n_labels_since=500) for i in sorted(active)]
        step = next_retraining(triggers, past, is_in_flight=False, now=now, limits=LIMITS)
        if isinstance(step, Wait):
            continue
        assert step.trigger is not None
        fresh = [p for p in past if p.outcome == RUNNING and now - p.started_at < timedelta(hours=2)]
        assert fresh == []
        past.append(PastRetraining(step.trigger.key, step.attempt, RUNNING, now))
        began.append(lived)
        keys.append(step.run_key)
    assert len(set(keys)) == len(keys), "every run has its own key"
    assert max((p.attempt for p in past), default=0) <= LIMITS.max_attempts
    n_hours_back = sum(m < 0 for m, _, _ in ticks)
    day = DAY - timedelta(hours=2 * n_hours_back)  # After a clock rollback, the same hour occurs twice.
    for start in began:
        assert sum(start <= b < start + day for b in began) <= LIMITS.max_per_day
