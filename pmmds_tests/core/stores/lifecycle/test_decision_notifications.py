"""What waits for a person and what was taken back is told once, with the change or not at all."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract
from pmmds_core.policies.decision import PENDING_APPROVAL, Decision
from pmmds_core.policies.notifications import gave_up
from pmmds_core.policies.rollback import AUTOMATIC_ROLLBACK
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.database.tables import alert_notifications, retraining_runs
from pmmds_core.stores.lifecycle.decisions import DecisionStore
from pmmds_core.stores.lifecycle.notifier import Delivery, deliver
from pmmds_core.stores.lifecycle.outbox import NotificationOutbox, enqueue, target_of
from pmmds_tests.harness.earlier_databases import upgrade_to
from pmmds_tests.harness.http_listener import listening
from pmmds_tests.harness.ports import free_port


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def url(port: int) -> str:
    return f"json://127.0.0.1:{port}/hook"


@pytest.fixture
def decisions(database: Database, url: str) -> DecisionStore:
    return DecisionStore(database, "churn-classifier", [target_of(url)])


def save(decisions: DecisionStore, kind: str, *, state: str = "", by: str | None = None) -> Decision:
    return decisions.save(
        kind=kind,
        challenger="2",
        champion="3",
        promoted=True,
        reason="v2 instead of v3: 4.0% of 500 requests failed.",
        improvement=None,
        details={},
        run_id="r",
        state=state,
        by=by,
    )


def test_what_waits_for_approval_is_told_once(
    decisions: DecisionStore, database: Database, port: int, url: str
) -> None:
    waiting = save(decisions, "promotion", state=PENDING_APPROVAL)
    save(decisions, "promotion")
    with listening(port) as target:
        assert deliver(NotificationOutbox(database), [url]) == Delivery(n_sent=1)
        assert deliver(NotificationOutbox(database), [url]) == Delivery()
        (message,) = target.messages
    assert message["title"] == "churn-classifier v2 is pending approval"
    assert f"`pmmds approve {waiting.decision_id} --by NAME`" in message["message"]


@pytest.mark.parametrize(
    ("by", "is_recorded", "titles"),
    [
        (AUTOMATIC_ROLLBACK, True, ["churn-classifier v3 was rolled back"]),
        (AUTOMATIC_ROLLBACK, False, ["churn-classifier v3 was not rolled back"]),
        ("Ada", True, []),
        ("Ada", False, []),
    ],
)
def test_an_automatic_rollback_is_told_and_a_persons_own_is_not(
    decisions: DecisionStore, database: Database, port: int, url: str, by: str, is_recorded: bool, titles: list[str]
) -> None:
    decision = save(decisions, "rollback", by=by)
    with decisions.turn() as turn:
        turn.claim(decision, "f" * 64)
        found = turn.decision(decision.decision_id)
        turn.record(found) if is_recorded else turn.abort(found, "champion changed")
    with listening(port) as target:
        deliver(NotificationOutbox(database), [url])
        assert [m["title"] for m in target.messages] == titles
        assert all("4.0% of 500 requests failed" in m["message"] for m in target.messages)


def record_and_die(decisions: DecisionStore, decision: Decision) -> None:
    with decisions.turn() as turn:
        turn.record(decision)
        raise RuntimeError("killed before the end of the turn")


def test_a_change_that_was_not_committed_is_not_told(decisions: DecisionStore, database: Database) -> None:
    decision = save(decisions, "rollback", by=AUTOMATIC_ROLLBACK)
    with pytest.raises(RuntimeError, match="killed"):
        record_and_die(decisions, decision)
    assert NotificationOutbox(database).due() == []


def test_the_same_subject_is_kept_once_for_each_target(database: Database, decisions: DecisionStore) -> None:
    notice, at = gave_up("churn-classifier", "r1", "3 attempts"), save(decisions, "promotion").decided_at
    for targets in (["a"], ["a", "b"]):
        with database.begin() as connection:
            enqueue(connection, notice, targets, at)
    assert len(NotificationOutbox(database).due()) == 2


def test_notifications_and_retrainings_from_before_keep_what_they_say(
    empty_database: Database, contract: Contract
) -> None:
    upgrade_to(empty_database, "0004")
    at = "2026-03-01 12:00:00"
    with empty_database.begin() as connection:
        for statement in (
            (
                "INSERT INTO drift_reports (report_id, model_name, model_version, window_start, window_end, "
                "n_reference, n_current, verdict, n_drifted_features, document, html_path, run_id, created_at) VALUES "
                f"(1, 'm', '1', '{at}', '{at}', 1, 1, 'drifted', 3, '{{}}', '', '', '{at}')"
            ),
            (
                "INSERT INTO drift_alerts (alert_id, model_name, model_version, report_id, status, severity, "
                f"drift_type, message, n_reports, opened_at, last_seen_at) VALUES "
                f"(7, 'm', '1', 1, 'open', 'major', 'x', 'y', 1, '{at}', '{at}')"
            ),
            (
                "INSERT INTO alert_changes (change_id, alert_id, kind, severity, changed_by, changed_at) VALUES "
                f"(5, 7, 'opened', 'major', 'monitoring', '{at}')"
            ),
            (
                "INSERT INTO alert_notifications (notification_id, change_id, target, title, body, state, attempts, "
                f"due_at) VALUES (9, 5, 'abc', 'Drift', 'text', 'pending', 2, '{at}')"
            ),
            (
                "INSERT INTO retraining_runs (retraining_id, model_name, trigger_type, alert_id, attempt, run_id, "
                f"outcome, reason, started_at) VALUES ('a', 'm', 'alert', 7, 2, 'r', 'failed', 'disk', '{at}'), "
                f"('b', 'm', 'manual', NULL, 1, 's', 'held', '', '{at}')"
            ),
        ):
            connection.exec_driver_sql(statement)
    migrate(empty_database, contract)
    with empty_database.connect() as connection:
        (told,) = connection.execute(sa.select(alert_notifications)).mappings()
        runs = connection.execute(
            sa.select(retraining_runs.c.retraining_id, retraining_runs.c.cause, retraining_runs.c.gave_up)
        ).all()
    assert (told["notification_id"], told["change_id"], told["subject"]) == (9, 5, "alert_change:5")
    assert (told["title"], told["attempts"]) == ("Drift", 2)
    assert sorted(tuple(r) for r in runs) == [("a", "alert:7", False), ("b", None, False)]
    with empty_database.begin() as connection:
        enqueue(connection, gave_up("m", "a", "words"), ["abc"], told["due_at"])
    assert len(NotificationOutbox(empty_database).due()) == 2, "numbers go on after those that were there"
