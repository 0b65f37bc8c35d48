"""Stores evaluations and promotion decisions.

Not here: deciding (policies/promotion.py), moving the alias (workflows/promotion.py), changes under the
promotion lock (promotion_lock.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from pmmds_core.errors import NoModelError
from pmmds_core.policies.decision import (
    BUNDLE_DIGEST,
    EVIDENCE_KINDS,
    JUDGED,
    MOVING,
    PENDING_APPROVAL,
    PROMOTION,
    RECORDED,
    ROLLBACK,
    Approval,
    Decision,
    ProductionPointer,
)
from pmmds_core.policies.events import AWAITS_APPROVAL, DECIDED, decision_event, decision_page
from pmmds_core.policies.notifications import pending_approval
from pmmds_core.policies.promotion import PromotionJudgment
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.identity_tables import decision_approvals
from pmmds_core.stores.database.tables import model_evaluations, promotion_decisions
from pmmds_core.stores.lifecycle.promotion_lock import (
    PromotionTransaction,
    hold_promotion_lock,
    new_decision,
    read_pointer,
)
from pmmds_core.stores.lifecycle.publisher import Publisher

if TYPE_CHECKING:
    from pmmds_core.evaluation.comparison import ModelEvaluation

# Maximum number of version pairs that promotion_totals returns.
MAX_PROMOTION_SERIES = 50


class DecisionStore:
    """Reads and writes evaluations and decisions of one model."""

    def __init__(self, database: Database, model_name: str, publisher: Publisher | None = None) -> None:
        """
        Args:
            database: the deployment's database.
            model_name: the model.
            publisher: reports decisions; None: none is reported.
        """
        self._database = database
        self.model_name = model_name
        self._publisher = publisher or Publisher()

    def save_evaluation(self, evaluation: ModelEvaluation, holdout_digest: str, run_id: str) -> str:
        """Store an evaluation and return its id."""
        evaluation_id = uuid.uuid4().hex[:12]
        row = {
            "evaluation_id": evaluation_id,
            "model_name": self.model_name,
            "challenger_version": evaluation.challenger_version,
            "champion_version": evaluation.champion_version,
            "holdout_digest": holdout_digest,
            "document": evaluation.to_document(),
            "run_id": run_id,
            "created_at": datetime.now(UTC),
        }
        with self._database.begin() as connection:
            connection.execute(sa.insert(model_evaluations).values(row))
        return evaluation_id

    def latest_evaluation(self, *, run_id: str = "") -> ModelEvaluation:
        """Return the run's newest evaluation or, if it has none, the newest of any run.

        Raises NoModelError if none exists.
        """
        return self.latest_with_holdout(run_id=run_id)[0]

    def latest_with_holdout(self, *, run_id: str = "") -> tuple[ModelEvaluation, str]:
        """Like `latest_evaluation`, but also returns the digest of the holdout data set."""
        c = model_evaluations.c
        query = sa.select(c.document, c.holdout_digest).where(c.model_name == self.model_name)
        query = query.order_by((c.run_id == run_id).desc(), c.created_at.desc()).limit(1)
        with self._database.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NoModelError("No model has been evaluated yet.", next_step="Materialize model_evaluation first.")
        return _evaluation(row.document), row.holdout_digest

    def evaluation_of(self, version: str) -> ModelEvaluation | None:
        """The newest evaluation of a version as challenger; None if it has none."""
        c = model_evaluations.c
        query = sa.select(c.document).where(c.model_name == self.model_name, c.challenger_version == version)
        with self._database.connect() as connection:
            document = connection.execute(query.order_by(c.created_at.desc()).limit(1)).scalar_one_or_none()
        return None if document is None else _evaluation(document)

    def save_judgment(
        self,
        judgment: PromotionJudgment,
        evaluation: ModelEvaluation,
        run_id: str,
        *,
        needs_approval: bool = False,
        instead_of: str | None = None,
    ) -> Decision:
        """Record a judgment. A promotion takes effect when workflows/promotion.py has moved the alias.

        Args:
            judgment: the result of the promotion policy.
            evaluation: the evaluation that the policy was applied to.
            run_id: id of the Dagster run.
            needs_approval: True if a promotion requires manual approval.
            instead_of: the version that the alias points to, if it is not the evaluation's champion.
        """
        return self.save(
            kind=PROMOTION,
            challenger=evaluation.challenger_version,
            champion=instead_of or evaluation.champion_version,
            promoted=judgment.promoted,
            reason=judgment.promotion_reason,
            improvement=judgment.primary_metric_improvement,
            details={"criteria": judgment.to_document()["criteria"], "evaluation": evaluation.to_document()},
            run_id=run_id,
            state=PENDING_APPROVAL if judgment.promoted and needs_approval else "",
        )

    def save(
        self,
        *,
        kind: str,
        challenger: str,
        champion: str | None,
        promoted: bool,
        reason: str,
        improvement: float | None,
        details: Mapping[str, Any],
        run_id: str,
        state: str = "",
        by: str | None = None,
    ) -> Decision:
        """Record a decision. Its default state is `judged` if the alias will be moved, otherwise `recorded`."""
        decision = new_decision(
            self.model_name,
            kind=kind,
            challenger=challenger,
            champion=champion,
            promoted=promoted,
            reason=reason,
            state=state or (JUDGED if promoted else RECORDED),
            improvement=improvement,
            details=details,
            run_id=run_id,
            by=by,
        )
        with self._database.begin() as connection:
            connection.execute(sa.insert(promotion_decisions).values(vars(decision)))
            self._report_new(connection, decision)
        return decision

    def _report_new(self, connection: sa.Connection, decision: Decision) -> None:
        at, is_pending = decision.decided_at, decision.state == PENDING_APPROVAL
        if is_pending:
            page = decision_page(decision.decision_id)
            self._publisher.notify(connection, pending_approval(decision), at, page=page)
        self._publisher.publish(connection, decision_event(decision, AWAITS_APPROVAL if is_pending else DECIDED), at)

    def recent(self, limit: int = 20) -> list[Decision]:
        """The newest decisions, newest first."""
        query = self._decisions().order_by(promotion_decisions.c.decided_at.desc()).limit(limit)
        return self._read(query)

    def of_run(self, run_id: str) -> Decision | None:
        """Return a run's decision, or the newest decision of any run if `run_id` is empty."""
        query = self._decisions().order_by(promotion_decisions.c.decided_at.desc()).limit(1)
        decisions = self._read(query.where(promotion_decisions.c.run_id == run_id) if run_id else query)
        return decisions[0] if decisions else None

    def of_version(self, version: str) -> list[Decision]:
        """Return every decision about a version as challenger, newest first."""
        query = self._decisions().where(promotion_decisions.c.challenger_version == version)
        return self._read(query.order_by(promotion_decisions.c.decided_at.desc()))

    def get(self, decision_id: str) -> Decision | None:
        """The decision with this id; None if there is none."""
        decisions = self._read(self._decisions().where(promotion_decisions.c.decision_id == decision_id))
        return decisions[0] if decisions else None

    def approvals(self, decision_id: str) -> list[Approval]:
        """Who approved a decision, in the order of approval."""
        a = decision_approvals.c
        query = sa.select(a.approved_by, a.approved_at).where(a.decision_id == decision_id)
        with self._database.connect() as connection:
            return [Approval(**row) for row in connection.execute(query.order_by(a.approved_at)).mappings()]

    def of_states(self, *states: str) -> list[Decision]:
        """Every decision in one of these states, oldest first."""
        query = self._decisions().where(promotion_decisions.c.state.in_(states))
        return self._read(query.order_by(promotion_decisions.c.decided_at))

    def unfinished(self) -> list[Decision]:
        """Promotions whose alias move is pending, for example after a crash; oldest first."""
        table = promotion_decisions
        query = self._decisions().where(table.c.promoted, table.c.state.in_([JUDGED, MOVING]))
        return self._read(query.order_by(table.c.decided_at))

    def last_promotion_of(self, version: str) -> Decision | None:
        """Return the last recorded decision that put `version` into production, not counting rollbacks.

        Ordered by fencing token, which does not depend on the clock.
        """
        c = promotion_decisions.c
        query = self._decisions().where(c.challenger_version == version, c.promoted, c.state == RECORDED)
        newest = (sa.func.coalesce(c.fencing_token, 0).desc(), c.decided_at.desc())
        decisions = self._read(query.where(c.kind != ROLLBACK).order_by(*newest).limit(1))
        return decisions[0] if decisions else None

    def recorded_digest(self, version: str) -> str | None:
        """Return Bundle.files_digest of `version` from the newest decision that put it into production.

        None if no decision recorded one. An alias move outside PMMDS never counts as a record.
        """
        c = promotion_decisions.c
        query = self._decisions().where(
            c.challenger_version == version, c.promoted, c.state.in_([MOVING, RECORDED]), c.kind.in_(EVIDENCE_KINDS)
        )
        newest_first = (sa.func.coalesce(c.fencing_token, 0).desc(), c.decided_at.desc())
        recorded = (d.document.get(BUNDLE_DIGEST) for d in self._read(query.order_by(*newest_first)))
        return next((str(digest) for digest in recorded if digest), None)

    def newest_recorded(self, *, other_than: str = "") -> str | None:
        """The version that most recently went into production with a recorded digest; None if there is none."""
        c = promotion_decisions.c
        query = self._decisions().where(
            c.promoted, c.state == RECORDED, c.kind.in_(EVIDENCE_KINDS), c.challenger_version != other_than
        )
        newest_first = (sa.func.coalesce(c.fencing_token, 0).desc(), c.decided_at.desc())
        decisions = self._read(query.order_by(*newest_first))
        return next((d.challenger_version for d in decisions if d.document.get(BUNDLE_DIGEST)), None)

    def newest_promotion(self) -> Decision | None:
        """The newest decision about a trained model, whether promoted or held."""
        c = promotion_decisions.c
        decisions = self._read(self._decisions().where(c.kind == PROMOTION).order_by(c.decided_at.desc()).limit(1))
        return decisions[0] if decisions else None

    def promotion_totals(self) -> dict[tuple[str, str], int]:
        """Number of recorded alias moves by previous version (empty for the first) and new version.

        Limited to the newest pairs, because each pair is a separate time series.
        """
        c = promotion_decisions.c
        query = sa.select(c.champion_version, c.challenger_version, sa.func.count().label("n")).where(
            c.model_name == self.model_name, c.promoted, c.state == RECORDED
        )
        newest = sa.func.max(c.decided_at).desc()
        pairs = query.group_by(c.champion_version, c.challenger_version).order_by(newest).limit(MAX_PROMOTION_SERIES)
        with self._database.connect() as connection:
            rows = connection.execute(pairs).all()
        return {(row.champion_version or "", row.challenger_version): row.n for row in rows}

    def pointer(self) -> ProductionPointer | None:
        """Return the production pointer; None if no version is in production."""
        with self._database.connect() as connection:
            return read_pointer(connection, self.model_name)

    def transaction(self) -> AbstractContextManager[PromotionTransaction]:
        """Hold the promotion lock (see hold_promotion_lock).

        Inside the block, use only the transaction, not this store.
        """
        return hold_promotion_lock(self._database, self.model_name, self._publisher)

    def _decisions(self) -> sa.Select[Any]:
        return sa.select(promotion_decisions).where(promotion_decisions.c.model_name == self.model_name)

    def _read(self, query: sa.Select[Any]) -> list[Decision]:
        with self._database.connect() as connection:
            return [Decision(**row) for row in connection.execute(query).mappings()]


def _evaluation(document: dict[str, Any]) -> ModelEvaluation:
    """Parse an evaluation. Its class is imported lazily, so that reading decisions does not import numpy."""
    from pmmds_core.evaluation.comparison import ModelEvaluation

    return ModelEvaluation.from_document(document)
