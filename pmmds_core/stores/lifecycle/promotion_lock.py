"""The promotion lock: the production pointer and the states of decisions change only under it.

Add new state transitions here. Not here: the order of the transitions (workflows/promotion.py), reads and writes
without the lock (decisions.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pmmds_core.policies.decision import (
    ABORTED,
    BUNDLE_DIGEST,
    JUDGED,
    MANUAL,
    MOVING,
    PENDING_APPROVAL,
    RECORDED,
    REJECTED,
    Decision,
    ProductionPointer,
)
from pmmds_core.policies.events import ABORTED as ABORTED_EVENT
from pmmds_core.policies.events import APPROVED, MOVED, decision_event, decision_page
from pmmds_core.policies.events import REJECTED as REJECTED_EVENT
from pmmds_core.policies.notifications import NotificationText, is_automatic_rollback, rollback_aborted, rolled_back
from pmmds_core.policies.people import key_of
from pmmds_core.stores.database.dialects import insert
from pmmds_core.stores.database.engine import Database, limit_lock_wait
from pmmds_core.stores.database.identity_tables import decision_approvals
from pmmds_core.stores.database.tables import production_pointer, promotion_decisions
from pmmds_core.stores.lifecycle.publisher import Publisher

LOCK_TIMEOUT_SECONDS = 15


@dataclass(frozen=True)
class PromotionTransaction:
    """Reads and changes made while holding the lock; all changes are committed together at the end."""

    connection: sa.Connection
    model_name: str
    publisher: Publisher

    def decision(self, decision_id: str) -> Decision:
        """The decision as it is currently stored."""
        query = sa.select(promotion_decisions).where(promotion_decisions.c.decision_id == decision_id)
        return Decision(**self.connection.execute(query).mappings().one())

    def pointer(self) -> ProductionPointer | None:
        """Read the production pointer; None if no version is in production."""
        return read_pointer(self.connection, self.model_name)

    def promotion_in_progress(self) -> Decision | None:
        """The decision that moved the pointer but whose alias move is not recorded yet."""
        table = promotion_decisions
        query = sa.select(table).where(table.c.model_name == self.model_name, table.c.state == MOVING)
        row = self.connection.execute(query).mappings().first()
        return None if row is None else Decision(**row)

    def claim(self, decision: Decision, bundle_digest: str) -> None:
        """Point to the challenger with the next fencing token; the decision becomes `moving` and stores the digest."""
        token = self._point_at(decision.challenger_version, decision.decision_id)
        document = {**decision.document, BUNDLE_DIGEST: bundle_digest}
        self._set(decision.decision_id, state=MOVING, fencing_token=token, document=document)

    def confirm(self) -> None:
        """Raise an error if the connection has been lost, which also releases the lock."""
        self.connection.execute(sa.select(1)).one()

    def record(self, decision: Decision, bundle_digest: str = "") -> None:
        """Record that the alias points to the challenger. `bundle_digest`: set it if `claim` was not called."""
        document = {**decision.document, **({BUNDLE_DIGEST: bundle_digest} if bundle_digest else {})}
        self._set(decision.decision_id, state=RECORDED, moved_at=datetime.now(UTC), document=document)
        if is_automatic_rollback(decision):
            self._notify(decision, rolled_back(decision))
        self._publish(decision, MOVED)

    def abort(self, decision: Decision, reason: str) -> None:
        """Abort the decision and, if it moved the pointer, restore the pointer."""
        if decision.state == MOVING:
            self._point_at(decision.champion_version or "", decision.decision_id)
        self._set(decision.decision_id, state=ABORTED, state_reason=reason)
        if is_automatic_rollback(decision):
            self._notify(decision, rollback_aborted(decision, reason))
        self._publish(decision, ABORTED_EVENT)

    def record_external_alias_change(self, version: str | None) -> Decision:
        """Record that the alias was moved to `version` in MLflow (None: removed), and move the pointer to match."""
        before = self.pointer()
        change = f"was moved to v{version}" if version else "or its version was removed"
        decision = new_decision(
            self.model_name,
            kind=MANUAL,
            challenger=version or "",
            champion=before.version if before else None,
            promoted=version is not None,
            reason=f"The alias production {change} manually in MLflow.",
            state=RECORDED,
        )
        self.connection.execute(sa.insert(promotion_decisions).values(vars(decision)))
        token = self._point_at(version or "", decision.decision_id)
        self._set(decision.decision_id, fencing_token=token, moved_at=datetime.now(UTC))
        self._publish(decision, MOVED)
        return self.decision(decision.decision_id)

    def add_approval(self, decision: Decision, by: str) -> bool:
        """Record a person's approval; False if this person has approved already."""
        row = {"decision_id": decision.decision_id, "approver": key_of(by), "approved_by": by}
        statement = insert(self.connection, decision_approvals).values(**row, approved_at=datetime.now(UTC))
        added = statement.on_conflict_do_nothing().returning(decision_approvals.c.approver)
        return self.connection.execute(added).first() is not None

    def n_approvals(self, decision: Decision) -> int:
        """The number of people who have approved."""
        a = decision_approvals.c
        count = sa.select(sa.func.count()).where(a.decision_id == decision.decision_id)
        return int(self.connection.execute(count).scalar_one())

    def approve(self, decision: Decision, by: str) -> bool:
        """Approve a pending decision; False if it is no longer pending."""
        is_approved = self._set(decision.decision_id, of_state=PENDING_APPROVAL, state=JUDGED, changed_by=by)
        if is_approved:
            self._publish(decision, APPROVED)
        return is_approved

    def reject(self, decision: Decision, by: str, reason: str) -> bool:
        """Reject a pending decision; False if it is no longer pending."""
        values = {"state": REJECTED, "changed_by": by, "state_reason": reason or None}
        is_rejected = self._set(decision.decision_id, of_state=PENDING_APPROVAL, **values)
        if is_rejected:
            self._publish(decision, REJECTED_EVENT)
        return is_rejected

    def _notify(self, decision: Decision, notice: NotificationText) -> None:
        """Write a notification in this transaction."""
        self.publisher.notify(self.connection, notice, datetime.now(UTC), page=decision_page(decision.decision_id))

    def _publish(self, decision: Decision, what: str) -> None:
        """Write an event with the decision's new state in this transaction."""
        if not self.publisher.webhooks:
            return
        event = decision_event(self.decision(decision.decision_id), what)
        self.publisher.publish(self.connection, event, datetime.now(UTC))

    def _point_at(self, version: str, decision_id: str) -> int:
        table = production_pointer
        where = table.c.model_name == self.model_name
        before = self.connection.execute(sa.select(table.c.fencing_token).where(where)).scalar_one_or_none()
        token = 1 if before is None else int(before) + 1
        moved_at = datetime.now(UTC)
        values = {"version": version, "decision_id": decision_id, "fencing_token": token, "moved_at": moved_at}
        if before is None:
            self.connection.execute(sa.insert(table).values(model_name=self.model_name, **values))
        else:
            self.connection.execute(sa.update(table).where(where).values(values))
        return token

    def _set(self, decision_id: str, of_state: str = "", **values: Any) -> bool:
        table = promotion_decisions
        update = sa.update(table).where(table.c.decision_id == decision_id)
        if of_state:
            update = update.where(table.c.state == of_state)
        return bool(self.connection.execute(update.values(**values)).rowcount)


@contextmanager
def hold_promotion_lock(
    database: Database, model_name: str, publisher: Publisher | None = None
) -> Iterator[PromotionTransaction]:
    """Hold the promotion lock: a row lock on the pointer on PostgreSQL, the write transaction on SQLite.

    The lock is released if its holder crashes. Only logins that may change the pointer can lock its row.

    Args:
        database: the deployment's database.
        model_name: the model whose production version may change.
        publisher: reports the changes; None: no change is reported.

    Raises:
        DatabaseUnavailableError: another process held it for `LOCK_TIMEOUT_SECONDS`, or the database cannot be
            reached.
    """
    with database.begin() as connection:
        if database.dialect == "postgresql":
            limit_lock_wait(connection, LOCK_TIMEOUT_SECONDS)
            _lock_pointer(connection, model_name)
        yield PromotionTransaction(connection, model_name, publisher or Publisher())


def _lock_pointer(connection: sa.Connection, model_name: str) -> None:
    """Lock the model's row; if it does not exist, first create it with an empty version."""
    row = sa.select(production_pointer.c.model_name).where(production_pointer.c.model_name == model_name)
    if connection.execute(row.with_for_update()).first() is None:
        nothing = {"version": "", "decision_id": "", "fencing_token": 0, "moved_at": datetime.now(UTC)}
        connection.execute(
            insert(connection, production_pointer).values(model_name=model_name, **nothing).on_conflict_do_nothing()
        )
        connection.execute(row.with_for_update()).one()


def read_pointer(connection: sa.Connection, model_name: str) -> ProductionPointer | None:
    """Read the production pointer; None if no version is in production."""
    table = production_pointer
    row = connection.execute(sa.select(table).where(table.c.model_name == model_name)).mappings().first()
    if row is None or not row["version"]:
        return None
    return ProductionPointer(row["version"], row["decision_id"], row["fencing_token"], row["moved_at"])


def new_decision(
    model_name: str,
    *,
    kind: str,
    challenger: str,
    champion: str | None,
    promoted: bool,
    reason: str,
    state: str,
    improvement: float | None = None,
    details: Mapping[str, Any] | None = None,
    run_id: str = "",
    by: str | None = None,
) -> Decision:
    """Create a decision with a new id and the current time; it is not stored yet."""
    decision_id, decided_at = uuid.uuid4().hex[:12], datetime.now(UTC)
    document = {
        "decision_id": decision_id,
        "challenger_version": challenger,
        "champion_version": champion,
        "promoted": promoted,
        "primary_metric_improvement": improvement,
        "promotion_reason": reason,
        "model_name": model_name,
        "kind": kind,
        "run_id": run_id,
        "decided_at": decided_at.isoformat(),
        **(details or {}),
    }
    return Decision(
        decision_id=decision_id,
        model_name=model_name,
        kind=kind,
        challenger_version=challenger,
        champion_version=champion,
        promoted=promoted,
        primary_metric_improvement=improvement,
        promotion_reason=reason,
        state=state,
        document=document,
        run_id=run_id,
        decided_at=decided_at,
        moved_at=None,
        changed_by=by,
    )
