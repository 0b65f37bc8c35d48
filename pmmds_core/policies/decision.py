"""A promotion decision and its states, as plain values.

Add a state here, and its transitions in stores/lifecycle/promotion_lock.py. Not here: the policy (promotion.py),
database rows (stores), the order of the steps (workflows/promotion.py).

    pending_approval ──► judged ──► moving ──► recorded
           │                │          │
           ▼                ▼          ▼
        rejected         aborted    aborted
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PENDING_APPROVAL = "pending_approval"  # requires manual approval or rejection
JUDGED = "judged"  # the intent to move the alias is recorded
MOVING = "moving"  # the production pointer has moved, and the alias may have
RECORDED = "recorded"  # the alias has moved, or no move was needed
REJECTED = "rejected"  # rejected manually
ABORTED = "aborted"  # the alias was not moved, for the reason in state_reason

CHAMPION_CHANGED = "champion changed"
CHALLENGER_GONE = "challenger deleted from the registry"
FILES_CHANGED = "the version's files differ from those that were evaluated or promoted"

# The key in a decision's document for the version's Bundle.files_digest, recorded when the decision moved the alias.
BUNDLE_DIGEST = "bundle_digest"
# The key in the decision's evaluation for the Bundle.files_digest of the evaluated files.
JUDGED_FILES = "challenger_files"

# The kinds of decisions: by the promotion policy, a rollback (manual or automatic), or a move of the alias made
# directly in MLflow.
PROMOTION, ROLLBACK, MANUAL = "promotion", "rollback", "manual"
# The kinds of decisions whose record verifies the files of a version. A move in MLflow does not verify them, because
# its author is unknown.
EVIDENCE_KINDS = (PROMOTION, ROLLBACK)


@dataclass(frozen=True)
class Decision:
    """A promotion decision.

    `document` is the decision's JSON object. `promoted` is True if the alias must point to `challenger_version`.
    `changed_by` is the person who approved, rejected or requested the decision. `fencing_token` is the token of the
    production pointer after this decision moved the pointer.
    """

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
    state_reason: str | None = None
    changed_by: str | None = None
    fencing_token: int | None = None

    @property
    def status(self) -> str:
        """The state with its reason, such as `aborted: champion changed`."""
        return f"{self.state}: {self.state_reason}" if self.state_reason else self.state

    def to_document(self) -> dict[str, Any]:
        """Return the JSON object with the decision's current state."""
        state = {"state": self.state, "state_reason": self.state_reason, "changed_by": self.changed_by}
        moved = self.moved_at.isoformat() if self.moved_at else None
        return {**self.document, **state, "fencing_token": self.fencing_token, "moved_at": moved}


@dataclass(frozen=True)
class Approval:
    """A person's approval of a pending decision."""

    approved_by: str
    approved_at: datetime


@dataclass(frozen=True)
class ProductionPointer:
    """The version in production and the decision that put it there. `fencing_token` increases with every move."""

    version: str
    decision_id: str
    fencing_token: int
    moved_at: datetime
