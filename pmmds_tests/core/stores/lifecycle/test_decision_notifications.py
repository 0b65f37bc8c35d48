"""Pending approvals and automatic rollbacks send one notification, stored in the transaction of the change."""

from __future__ import annotations

import pytest

from pmmds_core.policies.decision import PENDING_APPROVAL, Decision
from pmmds_core.policies.notifications import gave_up
from pmmds_core.policies.rollback import AUTOMATIC_ROLLBACK
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.lifecycle.decisions import DecisionStore
from pmmds_core.stores.lifecycle.notifier import Delivery, deliver
from pmmds_core.stores.lifecycle.outbox import NotificationOutbox, enqueue, target_of
from pmmds_core.stores.lifecycle.publisher import Publisher
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
    return DecisionStore(database, "churn-classifier", Publisher((target_of(url),)))


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


def test_a_pending_approval_sends_one_notification(
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
def test_only_automatic_rollbacks_send_a_notification(
    decisions: DecisionStore, database: Database, port: int, url: str, by: str, is_recorded: bool, titles: list[str]
) -> None:
    decision = save(decisions, "rollback", by=by)
    with decisions.transaction() as turn:
        turn.claim(decision, "f" * 64)
        found = turn.decision(decision.decision_id)
        turn.record(found) if is_recorded else turn.abort(found, "champion changed")
    with listening(port) as target:
        deliver(NotificationOutbox(database), [url])
        assert [m["title"] for m in target.messages] == titles
        assert all("4.0% of 500 requests failed" in m["message"] for m in target.messages)


def record_and_die(decisions: DecisionStore, decision: Decision) -> None:
    with decisions.transaction() as turn:
        turn.record(decision)
        raise RuntimeError("killed before the end of the transaction")


def test_an_uncommitted_change_sends_no_notification(decisions: DecisionStore, database: Database) -> None:
    decision = save(decisions, "rollback", by=AUTOMATIC_ROLLBACK)
    with pytest.raises(RuntimeError, match="killed"):
        record_and_die(decisions, decision)
    assert NotificationOutbox(database).due() == []


def test_a_notification_is_stored_once_per_target(database: Database, decisions: DecisionStore) -> None:
    notice, at = gave_up("churn-classifier", "r1", "3 attempts"), save(decisions, "promotion").decided_at
    for targets in (["a"], ["a", "b"]):
        with database.begin() as connection:
            enqueue(connection, notice, targets, at)
    assert len(NotificationOutbox(database).due()) == 2
