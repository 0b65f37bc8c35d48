"""Decisions and retrainings have one event per change, with the document of the monitoring API."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from pmmds.resources import Alert, Decision, Retraining
from pmmds_core.policies.decision import PENDING_APPROVAL
from pmmds_core.policies.decision import Decision as StoredDecision
from pmmds_core.policies.events import ALERT_FIELDS, DECISION_FIELDS, RETRAINING_FIELDS
from pmmds_core.policies.retraining import WAITING
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.tables import alert_notifications
from pmmds_core.stores.lifecycle.decisions import DecisionStore
from pmmds_core.stores.lifecycle.outbox import webhook_target_of
from pmmds_core.stores.lifecycle.publisher import Publisher
from pmmds_core.stores.lifecycle.retrainings import Attempt, RetrainingStore

PUBLISHER = Publisher((), (webhook_target_of("https://a.example"), webhook_target_of("https://b.example")))
MODEL = "churn-classifier"


def events(database: Database) -> list[dict[str, Any]]:
    """The bodies of the events for one target, in order."""
    c = alert_notifications.c
    query = sa.select(c.body).where(c.target == PUBLISHER.webhooks[0]).order_by(c.notification_id)
    with database.connect() as connection:
        return [msgspec.json.decode(body) for body in connection.execute(query).scalars()]


def kinds(database: Database) -> list[str]:
    return [event["type"] for event in events(database)]


@pytest.fixture
def decisions(database: Database) -> DecisionStore:
    return DecisionStore(database, MODEL, PUBLISHER)


@pytest.fixture
def retrainings(database: Database) -> RetrainingStore:
    return RetrainingStore(database, MODEL, PUBLISHER)


def saved(
    decisions: DecisionStore, kind: str = "promotion", *, promoted: bool = True, state: str = ""
) -> StoredDecision:
    return decisions.save(
        kind=kind,
        challenger="2",
        champion="1",
        promoted=promoted,
        reason="v2 outperforms v1.",
        improvement=0.004,
        details={"criteria": []},
        run_id="r",
        state=state,
    )


@pytest.mark.parametrize(
    ("fields", "resource"),
    [(ALERT_FIELDS, Alert), (DECISION_FIELDS, Decision), (RETRAINING_FIELDS, Retraining)],
    ids=["alert", "decision", "retraining"],
)
def test_an_event_has_the_fields_of_the_resource(fields: tuple[str, ...], resource: Any) -> None:
    assert sorted(fields) == sorted(resource.__struct_fields__)


@pytest.mark.parametrize("kind", ["promotion", "rollback"])
def test_a_move_is_decided_and_moved(decisions: DecisionStore, database: Database, kind: str) -> None:
    decision = saved(decisions, kind)
    with decisions.transaction() as transaction:
        transaction.claim(decision, "f" * 64)
        transaction.record(transaction.decision(decision.decision_id))
    assert kinds(database) == [f"{kind}.decided", f"{kind}.moved"]
    decided, moved = (msgspec.convert(event["data"], Decision) for event in events(database))
    assert (decided.state, decided.moved_at) == ("judged", None)
    assert moved.state == "recorded"
    assert moved.moved_at is not None


def test_a_held_challenger_is_decided(decisions: DecisionStore, database: Database) -> None:
    saved(decisions, promoted=False)
    (event,) = events(database)
    assert (event["type"], event["data"]["promoted"], event["data"]["state"]) == (
        "promotion.decided",
        False,
        "recorded",
    )


@pytest.mark.parametrize("is_approved", [True, False])
def test_a_pending_promotion_is_approved_or_rejected_once(
    decisions: DecisionStore, database: Database, is_approved: bool
) -> None:
    pending = saved(decisions, state=PENDING_APPROVAL)
    for _ in range(2):
        with decisions.transaction() as transaction:
            if is_approved:
                transaction.approve(pending, "Ada")
            else:
                transaction.reject(pending, "Ada", "not now")
    answer = "approved" if is_approved else "rejected"
    assert kinds(database) == ["promotion.pending_approval", f"promotion.{answer}"]
    assert events(database)[1]["data"]["changed_by"] == "Ada"


def test_an_aborted_promotion_names_its_reason(decisions: DecisionStore, database: Database) -> None:
    decision = saved(decisions)
    with decisions.transaction() as transaction:
        transaction.abort(decision, "champion changed")
    assert kinds(database) == ["promotion.decided", "promotion.aborted"]
    assert events(database)[1]["data"]["state_reason"] == "champion changed"


def test_an_alias_moved_in_mlflow_has_an_event(decisions: DecisionStore, database: Database) -> None:
    with decisions.transaction() as transaction:
        transaction.record_external_alias_change("7")
    (event,) = events(database)
    assert (event["type"], event["data"]["challenger_version"]) == ("manual.moved", "7")


def test_a_retraining_starts_and_finishes(retrainings: RetrainingStore, database: Database) -> None:
    attempt = Attempt("run-1", "alert", 1, "alert:3", "tenure moved.", 3)
    retrainings.claim(attempt)
    retrainings.claim(attempt)
    with database.begin() as connection:
        retrainings.finish(connection, "run-1", WAITING, "The promotion is pending approval.")
        retrainings.finish(connection, "run-1", "promoted", "v2 outperforms v1.", "2")
        retrainings.finish(connection, "run-1", "promoted", "again", "2")
    assert kinds(database) == ["retraining.started", "retraining.finished"]
    finished = msgspec.convert(events(database)[1]["data"], Retraining)
    assert (finished.alert_id, finished.outcome, finished.challenger_version) == (3, "promoted", "2")


def test_a_crashed_retraining_finishes_and_is_given_up(retrainings: RetrainingStore, database: Database) -> None:
    with database.begin() as connection:
        run = retrainings.record_failure(connection, Attempt("run-1", "labels", 3, "labels:v1:1"), "out of memory")
        assert run is not None
        retrainings.mark_given_up(connection, run.retraining_id)
    assert kinds(database) == ["retraining.finished", "retraining.gave_up"]
