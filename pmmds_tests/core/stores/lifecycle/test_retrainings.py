"""A retraining attempt belongs to one run, and the outcome of each run is recorded once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from pmmds_core.errors import TrainingError
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.lifecycle.retrainings import Attempt, RetrainingStore, alert_cause


@pytest.fixture
def retrainings(database: Database) -> RetrainingStore:
    return RetrainingStore(database, "churn-classifier")


def an_attempt(run_id: str, attempt: int = 1, alert_id: int | None = 5) -> Attempt:
    cause = None if alert_id is None else alert_cause(alert_id)
    return Attempt(run_id, "alert", attempt, cause, "drift", alert_id)


def claim(store: RetrainingStore, run_id: str, attempt: int = 1, alert_id: int | None = 5) -> None:
    store.claim(an_attempt(run_id, attempt, alert_id))


def test_a_retraining_attempt_belongs_to_one_run(retrainings: RetrainingStore) -> None:
    claim(retrainings, "a")
    claim(retrainings, "a")  # The same run may claim the attempt again.
    with pytest.raises(TrainingError, match="Another run has already claimed attempt"):
        claim(retrainings, "b")
    assert [r.run_id for r in retrainings.running()] == ["a"]


def test_only_one_of_many_concurrent_runs_can_claim_the_attempt(retrainings: RetrainingStore) -> None:
    def attempt(name: str) -> bool:
        try:
            claim(retrainings, name)
        except TrainingError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(attempt, "abcdef")).count(True) == 1


def test_retrainings_without_an_alert_can_run_concurrently(retrainings: RetrainingStore) -> None:
    claim(retrainings, "a", alert_id=None)
    claim(retrainings, "b", alert_id=None)
    assert len(retrainings.running()) == 2


def test_the_outcome_of_a_retraining_is_recorded_once(retrainings: RetrainingStore, database: Database) -> None:
    claim(retrainings, "a")
    with database.begin() as connection:
        assert retrainings.finish(connection, "a", "promoted", "better", "4") is not None
        assert retrainings.finish(connection, "a", "failed", "too late") is None
    run = retrainings.of_run("a")
    assert run is not None
    assert (run.outcome, run.reason, run.challenger_version) == ("promoted", "better", "4")
    assert run.finished_at is not None
    assert run.finished_at >= run.started_at


@pytest.mark.parametrize("had_claimed", [True, False])
def test_a_crashed_run_counts_as_a_failed_attempt(
    retrainings: RetrainingStore, database: Database, had_claimed: bool
) -> None:
    if had_claimed:
        claim(retrainings, "a")
    with database.begin() as connection:
        assert retrainings.record_failure(connection, an_attempt("a"), "killed") is not None
    [attempt] = retrainings.attempts_of(5)
    assert (attempt.attempt, attempt.outcome) == (1, "failed")
    assert attempt.finished_at is not None


def test_a_run_without_an_attempt_does_not_change_the_record_of_another_run(
    retrainings: RetrainingStore, database: Database
) -> None:
    claim(retrainings, "a")
    with database.begin() as connection:
        assert retrainings.record_failure(connection, an_attempt("b"), "taken") is None
    assert [(r.run_id, r.outcome) for r in retrainings.recent()] == [("a", "running")]
