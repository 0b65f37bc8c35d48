"""A promotion decision and the states of its life, as plain values.

Add a state here and its transition in stores/lifecycle/promotion_lock.py. Keep out: judging (promotion.py), rows
(stores), order of the steps (workflows/promotion.py).

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

PENDING_APPROVAL = "pending_approval"  # a person has to approve or reject it
JUDGED = "judged"  # the intent: the alias is to move
MOVING = "moving"  # the production pointer has moved, the alias may have
RECORDED = "recorded"  # the alias has moved; or nothing was to move
REJECTED = "rejected"  # a person said no
ABORTED = "aborted"  # nothing was moved; the reason says why

CHAMPION_CHANGED = "champion changed"
CHALLENGER_GONE = "challenger deleted from the registry"
FILES_CHANGED = "the version's files are not those that were judged or promoted before"

# In a decision's document: Bundle.files_digest of the version, from when the decision moved the alias.
BUNDLE_DIGEST = "bundle_digest"
# In its evaluation: the same of the files that were judged.
JUDGED_FILES = "challenger_files"

# Kinds of decision: judged by policy, by a person or an automatic rule backwards, by hand in MLflow.
PROMOTION, ROLLBACK, MANUAL = "promotion", "rollback", "manual"
# Those that can record the files of a version. The other is a claim: somebody moved the alias, nobody knows who.
EVIDENCE_KINDS = (PROMOTION, ROLLBACK)


@dataclass(frozen=True)
class Decision:
    """One decision, moved or not. `document` is its JSON object.

    `promoted`: whether the alias is to point to `challenger_version`. `changed_by`: who approved, rejected or asked
    for it. `fencing_token`: the pointer's, when this decision moved it.
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
        """The state in words, e.g. `aborted: champion changed`."""
        return f"{self.state}: {self.state_reason}" if self.state_reason else self.state

    def to_document(self) -> dict[str, Any]:
        """The JSON object, with what has become of the decision."""
        became = {"state": self.state, "state_reason": self.state_reason, "changed_by": self.changed_by}
        moved = self.moved_at.isoformat() if self.moved_at else None
        return {**self.document, **became, "fencing_token": self.fencing_token, "moved_at": moved}


@dataclass(frozen=True)
class ProductionPointer:
    """Which version is in production, by which decision; the token grows with every move."""

    version: str
    decision_id: str
    fencing_token: int
    moved_at: datetime
