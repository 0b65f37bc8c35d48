"""When a retraining starts: a row for every sentence of the policy, and what holds for every history."""

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
    Cause,
    PastRetraining,
    RequestRetraining,
    RetrainingLimits,
    Wait,
    by_person,
    gives_up,
    next_retraining,
)
from pmmds_core.runtime.time_windows import DAY

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = RetrainingLimits(cooldown=timedelta(minutes=60), max_attempts=3, max_per_day=6, min_labels=200)
ALERT = Cause("alert", "alert:7", "contract drifted", 7)
DROP = Cause("performance", "performance:v2", "worse than on its holdout")
LABELS = Cause("labels", "labels:v2:1", "500 labels")
SCHEDULE = Cause("schedule", "schedule:a1b2", "30 days")


def an_attempt(
    number: int, outcome: str, minutes_ago: float, cause: Cause | None = ALERT, n_new_labels: int | None = None
) -> PastRetraining:
    ended = NOW - timedelta(minutes=minutes_ago)
    key = None if cause is None else cause.key
    began = ended - timedelta(minutes=1)
    return PastRetraining(key, number, outcome, began, None if outcome == RUNNING else ended, n_new_labels)


def ask(
    *past: PastRetraining, causes: tuple[Cause, ...] = (ALERT,), is_in_flight: bool = False
) -> RequestRetraining | Wait:
    return next_retraining(causes, past, is_in_flight=is_in_flight, now=NOW, limits=LIMITS)


FIVE_OTHERS = tuple(an_attempt(1, HELD, 100 + i, replace(SCHEDULE, key=f"schedule:{i}")) for i in range(5))
ENOUGH = replace(ALERT, n_labels_since=160)

# sentence, causes, past, the run_key that is asked for or words of the reason
TABLE: tuple[tuple[str, tuple[Cause, ...], tuple[PastRetraining, ...], str], ...] = (
    ("nothing asks", (), (), "Nothing asks"),
    ("a new alert asks for its first attempt", (ALERT,), (), "alert:7:attempt:1"),
    ("a drop of performance likewise", (DROP,), (), "performance:v2:attempt:1"),
    ("new labels likewise", (LABELS,), (), "labels:v2:1:attempt:1"),
    ("the schedule likewise", (SCHEDULE,), (), "schedule:a1b2:attempt:1"),
    ("of many causes the first is heard", (ALERT, DROP, LABELS), (), "alert:7:attempt:1"),
    (
        "one that waits does not hold up the next",
        (ALERT, DROP),
        (an_attempt(1, FAILED, 5),),
        "performance:v2:attempt:1",
    ),
    ("a retraining of any cause is the only one", (DROP,), (an_attempt(1, RUNNING, 5),), "under way"),
    (
        "a record of a killed process ends some time",
        (DROP,),
        (an_attempt(1, RUNNING, 121),),
        "performance:v2:attempt:1",
    ),
    ("a model that waits for approval lets no other be trained", (DROP,), (an_attempt(1, WAITING, 9999),), "approval"),
    ("a failed attempt is not tried again before the cool-down", (ALERT,), (an_attempt(1, FAILED, 59),), "next may"),
    ("a failed attempt is tried again after it", (ALERT,), (an_attempt(1, FAILED, 60),), "alert:7:attempt:2"),
    ("a held attempt of an alert likewise", (ALERT,), (an_attempt(1, HELD, 60),), "alert:7:attempt:2"),
    ("a held model is what the schedule asked for", (SCHEDULE,), (an_attempt(1, HELD, 600, SCHEDULE),), "has had its"),
    ("and what labels asked for", (LABELS,), (an_attempt(1, PROMOTED, 600, LABELS),), "has had its model"),
    ("a failed one is not", (SCHEDULE,), (an_attempt(1, FAILED, 60, SCHEDULE),), "schedule:a1b2:attempt:2"),
    (
        "a blocked one waits for the labels it missed",
        (ALERT,),
        (an_attempt(1, BLOCKED_NO_LABELS, 600, ALERT, 40),),
        "160",
    ),
    ("and goes on with them", (ENOUGH,), (an_attempt(1, BLOCKED_NO_LABELS, 60, ALERT, 40),), "alert:7:attempt:2"),
    ("after the cool-down", (ENOUGH,), (an_attempt(1, BLOCKED_NO_LABELS, 9, ALERT, 40),), "next may start"),
    (
        "one blocked by labels of one class waits for some",
        (ALERT,),
        (an_attempt(1, BLOCKED_NO_LABELS, 600, ALERT, 300),),
        "20 labels",
    ),
    (
        "after its attempts it waits for a person",
        (ALERT,),
        tuple(an_attempt(n, FAILED, 500) for n in (1, 2, 3)),
        "person",
    ),
    ("the day's cap counts every cause", (ALERT,), (*FIVE_OTHERS, an_attempt(1, FAILED, 70)), "6 retrainings"),
    ("below the cap one may start", (ALERT,), FIVE_OTHERS, "alert:7:attempt:1"),
    ("a person's own counts for the cap", (ALERT,), (*FIVE_OTHERS, an_attempt(1, HELD, 70, None)), "MAX_PER_DAY"),
    (
        "what began a day ago does not count",
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
        "and does not open the cap",
        (ALERT,),
        tuple(replace(p, started_at=p.started_at + timedelta(hours=2)) for p in (*FIVE_OTHERS, FIVE_OTHERS[0])),
        "MAX_PER_DAY",
    ),
    ("a record of a year ahead holds nothing up", (ALERT,), (an_attempt(1, FAILED, -525_600),), "alert:7:attempt:2"),
    ("but stays an attempt", (ALERT,), tuple(an_attempt(n, FAILED, -525_600) for n in (1, 2, 3)), "a person"),
)


@pytest.mark.parametrize(("causes", "past", "wanted"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_every_sentence_of_the_policy(causes: tuple[Cause, ...], past: tuple[PastRetraining, ...], wanted: str) -> None:
    step = ask(*past, causes=causes)
    if isinstance(step, RequestRetraining):
        assert step.run_key == wanted
    else:
        assert wanted in step.reason


def test_while_dagster_has_one_queued_nothing_starts() -> None:
    assert isinstance(ask(is_in_flight=True), Wait)


def test_a_person_is_needed_when_attempts_are_used_up_or_a_model_waits() -> None:
    for past in ([an_attempt(n, FAILED, 500) for n in (1, 2, 3)], [an_attempt(1, WAITING, 500)]):
        step = ask(*past)
        assert isinstance(step, Wait)
        assert step.needs_person


def test_the_order_of_the_attempts_does_not_matter() -> None:
    attempts = (an_attempt(2, FAILED, 61), an_attempt(1, FAILED, 400))
    assert ask(*attempts) == ask(*reversed(attempts)) == RequestRetraining(ALERT, 3)


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
        ((an_attempt(1, RUNNING, 7),), True, "under way"),
    ],
    ids=[
        "first",
        "no cool-down",
        "beyond the attempts",
        "the cap holds",
        "force passes the cap",
        "a model waits",
        "force passes that too",
        "two at once never",
    ],
)
def test_a_persons_own_request(past: tuple[PastRetraining, ...], is_forced: bool, wanted: str) -> None:
    step = by_person(ALERT, past, is_in_flight=False, is_forced=is_forced, now=NOW, limits=LIMITS)
    assert wanted in (step.reason if isinstance(step, Wait) else step.run_key)


@pytest.mark.parametrize(
    ("cause", "outcome", "attempt", "wanted"),
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
def test_the_end_that_leaves_a_cause_to_a_person(cause: str | None, outcome: str, attempt: int, wanted: bool) -> None:
    assert gives_up(cause, outcome, attempt, 3) is wanted


CAUSES = (ALERT, DROP, LABELS, SCHEDULE, replace(SCHEDULE, key="schedule:c3d4"))
# What a tick finds: minutes that the clock moved (an hour back, at times), which causes ask, how a run under way ends.
TICKS = st.lists(
    st.tuples(
        st.sampled_from([1, 1, 20, 45, 90, 400, -60]),
        st.sets(st.integers(0, len(CAUSES) - 1)),
        st.sampled_from([FAILED, HELD, PROMOTED, BLOCKED_NO_LABELS, RUNNING]),
    ),
    max_size=80,
)


@given(ticks=TICKS)
def test_there_are_never_two_in_flight_nor_more_than_the_cap_in_a_day(ticks: list[tuple[int, set[int], str]]) -> None:
    now, lived = NOW, timedelta()
    past: list[PastRetraining] = []
    began: list[timedelta] = []  # by a clock that nobody sets
    keys: list[str] = []
    for minutes, asking, end in ticks:
        now += timedelta(minutes=minutes)
        lived += timedelta(minutes=abs(minutes))
        if past and past[-1].outcome == RUNNING and end != RUNNING:
            past[-1] = replace(past[-1], outcome=end, finished_at=now, n_new_labels=0)
        causes = [replace(CAUSES[i], n_labels_since=500) for i in sorted(asking)]
        step = next_retraining(causes, past, is_in_flight=False, now=now, limits=LIMITS)
        if isinstance(step, Wait):
            continue
        assert step.cause is not None
        fresh = [p for p in past if p.outcome == RUNNING and now - p.started_at < timedelta(hours=2)]
        assert fresh == []
        past.append(PastRetraining(step.cause.key, step.attempt, RUNNING, now))
        began.append(lived)
        keys.append(step.run_key)
    assert len(set(keys)) == len(keys), "every run has a key of its own"
    assert max((p.attempt for p in past), default=0) <= LIMITS.max_attempts
    n_hours_back = sum(m < 0 for m, _, _ in ticks)
    day = DAY - timedelta(hours=2 * n_hours_back)  # an hour back is lived twice, and the record says the later one
    for start in began:
        assert sum(start <= b < start + day for b in began) <= LIMITS.max_per_day
