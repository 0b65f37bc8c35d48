"""When an alert starts a retraining."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pmmds_core.retraining_policy import RequestRetraining, RetrainingAttempt, RetrainingLimits, Wait, next_step

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMITS = RetrainingLimits(cooldown=timedelta(minutes=60), max_attempts=3)


def an_attempt(number: int, outcome: str, minutes_ago: float) -> RetrainingAttempt:
    ended = NOW - timedelta(minutes=minutes_ago)
    return RetrainingAttempt(number, outcome, ended - timedelta(minutes=1), None if outcome == "running" else ended)


def ask(*attempts: RetrainingAttempt, is_in_flight: bool = False) -> RequestRetraining | Wait:
    return next_step(7, attempts, is_in_flight=is_in_flight, now=NOW, limits=LIMITS)


def test_a_new_alert_asks_for_its_first_attempt() -> None:
    step = ask()
    assert isinstance(step, RequestRetraining)
    assert step.run_key == "alert:7:attempt:1"


def test_nothing_is_asked_while_a_retraining_is_under_way() -> None:
    assert isinstance(ask(is_in_flight=True), Wait)
    assert isinstance(ask(an_attempt(1, "running", 0)), Wait)


def test_a_model_that_waits_for_approval_lets_no_other_be_trained() -> None:
    step = ask(an_attempt(1, "pending_approval", 500))
    assert isinstance(step, Wait)
    assert step.needs_person
    assert "waits for approval" in step.reason


def test_a_failed_attempt_is_tried_again_after_the_cool_down_and_not_before() -> None:
    assert isinstance(ask(an_attempt(1, "failed", 59)), Wait)
    assert ask(an_attempt(1, "failed", 60)) == RequestRetraining(7, 2)


def test_a_blocked_and_a_held_attempt_count_like_a_failed_one() -> None:
    assert ask(an_attempt(1, "blocked_no_labels", 200), an_attempt(2, "held", 61)) == RequestRetraining(7, 3)


def test_after_the_last_attempt_it_waits_for_a_person() -> None:
    step = ask(*(an_attempt(n, "failed", 500) for n in (1, 2, 3)))
    assert isinstance(step, Wait)
    assert step.needs_person
    assert "3 attempts" in step.reason


def test_the_order_of_the_attempts_does_not_matter() -> None:
    attempts = (an_attempt(2, "failed", 61), an_attempt(1, "failed", 400))
    assert ask(*attempts) == ask(*reversed(attempts)) == RequestRetraining(7, 3)
