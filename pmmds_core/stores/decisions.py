"""Evaluations, promotion decisions and the production pointer. Keep out: judging (policy.py), moving (promotion.py)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from pmmds_core.errors import NoModelError
from pmmds_core.evaluation import ModelEvaluation
from pmmds_core.policy import PromotionJudgement
from pmmds_core.stores.database import Database
from pmmds_core.stores.tables import model_evaluations, production_pointer, promotion_decisions

# A decision's life: judged → moving → recorded; superseded when production had moved on.
JUDGED, MOVING, RECORDED, SUPERSEDED = "judged", "moving", "recorded", "superseded"


@dataclass(frozen=True)
class Decision:
    """One judgement, promoted or not. `document` is the decision's JSON object."""

    decision_id: str
    model_name: str
    kind: str
    challenger_version: str
    champion_version: str | None
    promoted: bool
    primary_metric_improvement: float | None
    promotion_reason: str
    state: str
    document: Mapping[str, Any]
    run_id: str
    decided_at: datetime
    moved_at: datetime | None

    def to_document(self) -> dict[str, Any]:
        """The JSON object, with what has become of the decision."""
        moved = self.moved_at.isoformat() if self.moved_at else None
        return {**self.document, "state": self.state, "moved_at": moved}


@dataclass(frozen=True)
class ProductionPointer:
    """Which version is in production, by which decision; the token grows with every move."""

    version: str
    decision_id: str
    fencing_token: int
    moved_at: datetime


class DecisionStore:
    """Reads and writes what was measured and what was decided."""

    def __init__(self, database: Database, model_name: str) -> None:
        self._database = database
        self.model_name = model_name

    def save_evaluation(self, evaluation: ModelEvaluation, holdout_digest: str, run_id: str) -> str:
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
        """The newest evaluation: of this run when it made one, else of any. Raises NoModelError."""
        table = model_evaluations
        query = sa.select(table.c.document).where(table.c.model_name == self.model_name)
        query = query.order_by((table.c.run_id == run_id).desc(), table.c.created_at.desc()).limit(1)
        with self._database.connect() as connection:
            document = connection.execute(query).scalar_one_or_none()
        if document is None:
            raise NoModelError("No model was evaluated yet.", next_step="Materialize model_evaluation first.")
        return ModelEvaluation.from_document(document)

    def save_judgement(self, judgement: PromotionJudgement, evaluation: ModelEvaluation, run_id: str) -> Decision:
        """Record a judgement. A promoted one is an intent until promotion.py has moved the alias."""
        return self.save(
            kind="promotion",
            challenger=evaluation.challenger_version,
            champion=evaluation.champion_version,
            promoted=judgement.promoted,
            reason=judgement.promotion_reason,
            improvement=judgement.primary_metric_improvement,
            details={"criteria": judgement.to_document()["criteria"], "evaluation": evaluation.to_document()},
            run_id=run_id,
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
    ) -> Decision:
        decision_id, decided_at = uuid.uuid4().hex[:12], datetime.now(UTC)
        head = {
            "decision_id": decision_id,
            "challenger_version": challenger,
            "champion_version": champion,
            "promoted": promoted,
            "primary_metric_improvement": improvement,
            "promotion_reason": reason,
        }
        context = {"model_name": self.model_name, "kind": kind, "run_id": run_id}
        document = {**head, **context, "decided_at": decided_at.isoformat(), **details}
        state = state or (JUDGED if promoted else RECORDED)
        row: dict[str, Any] = {
            **head,
            **context,
            "state": state,
            "document": document,
            "decided_at": decided_at,
            "moved_at": None,
        }
        with self._database.begin() as connection:
            connection.execute(sa.insert(promotion_decisions).values(row))
        return Decision(**row)

    def recent(self, limit: int = 20) -> list[Decision]:
        """The newest decisions first."""
        query = self._decisions().order_by(promotion_decisions.c.decided_at.desc()).limit(limit)
        return self._read(query)

    def of_run(self, run_id: str) -> Decision | None:
        """The decision of a run; the newest of any when `run_id` is empty."""
        query = self._decisions().order_by(promotion_decisions.c.decided_at.desc()).limit(1)
        found = self._read(query.where(promotion_decisions.c.run_id == run_id) if run_id else query)
        return found[0] if found else None

    def of_version(self, version: str) -> list[Decision]:
        """Every decision on a version as challenger, newest first."""
        query = self._decisions().where(promotion_decisions.c.challenger_version == version)
        return self._read(query.order_by(promotion_decisions.c.decided_at.desc()))

    def get(self, decision_id: str) -> Decision | None:
        found = self._read(self._decisions().where(promotion_decisions.c.decision_id == decision_id))
        return found[0] if found else None

    def unfinished(self) -> list[Decision]:
        """Promotions that were begun and not recorded, oldest first: what a crash leaves."""
        table = promotion_decisions
        query = self._decisions().where(table.c.promoted, table.c.state.in_([JUDGED, MOVING]))
        return self._read(query.order_by(table.c.decided_at))

    def promotion_totals(self) -> dict[tuple[str, str], int]:
        """Moves of the alias that were recorded, by version before (empty for the first) and after."""
        c = promotion_decisions.c
        query = sa.select(c.champion_version, c.challenger_version, sa.func.count().label("n")).where(
            c.model_name == self.model_name, c.promoted, c.state == RECORDED
        )
        with self._database.connect() as connection:
            rows = connection.execute(query.group_by(c.champion_version, c.challenger_version)).all()
        return {(row.champion_version or "", row.challenger_version): row.n for row in rows}

    def pointer(self) -> ProductionPointer | None:
        table = production_pointer
        query = sa.select(table).where(table.c.model_name == self.model_name)
        with self._database.connect() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        return ProductionPointer(row["version"], row["decision_id"], row["fencing_token"], row["moved_at"])

    def claim_pointer(self, decision: Decision) -> bool:
        """Compare-and-set: point at the challenger if the pointer is still at the decision's champion.

        The pointer and the decision's state `moving` change in one transaction. True also when an earlier try of
        the same decision had got this far.
        """
        try:
            with self._database.begin() as connection:
                claimed = _compare_and_set(connection, decision, datetime.now(UTC))
                state = MOVING if claimed else SUPERSEDED
                connection.execute(_set_state(decision.decision_id, state))
        except IntegrityError:  # two first promotions at once: the pointer's primary key lets one in
            self.supersede(decision.decision_id)
            return False
        return claimed

    def finish(self, decision_id: str) -> None:
        with self._database.begin() as connection:
            connection.execute(_set_state(decision_id, RECORDED).values(moved_at=datetime.now(UTC)))

    def supersede(self, decision_id: str) -> None:
        with self._database.begin() as connection:
            connection.execute(_set_state(decision_id, SUPERSEDED))

    def _decisions(self) -> sa.Select[Any]:
        return sa.select(promotion_decisions).where(promotion_decisions.c.model_name == self.model_name)

    def _read(self, query: sa.Select[Any]) -> list[Decision]:
        with self._database.connect() as connection:
            return [Decision(**row) for row in connection.execute(query).mappings()]


def _compare_and_set(connection: sa.Connection, decision: Decision, now: datetime) -> bool:
    table = production_pointer
    where_model = table.c.model_name == decision.model_name
    row = connection.execute(sa.select(table).where(where_model).with_for_update()).mappings().first()
    values = {"version": decision.challenger_version, "decision_id": decision.decision_id, "moved_at": now}
    if row is None:
        if decision.champion_version is not None:
            return False
        connection.execute(sa.insert(table).values(model_name=decision.model_name, fencing_token=1, **values))
        return True
    if row["decision_id"] == decision.decision_id:
        return True
    update = sa.update(table).where(
        where_model, table.c.version == decision.champion_version, table.c.fencing_token == row["fencing_token"]
    )
    return connection.execute(update.values(fencing_token=row["fencing_token"] + 1, **values)).rowcount == 1


def _set_state(decision_id: str, state: str) -> sa.Update:
    table = promotion_decisions
    return sa.update(table).where(table.c.decision_id == decision_id).values(state=state)
