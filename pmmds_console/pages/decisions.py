"""The list of decisions, and one decision: its criteria, the evaluation and the shadow comparison.

Not here: approving and rejecting (actions/), the policy (pmmds_core/policies/promotion.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pmmds_console.api.parameters import path_parameter, text_filter
from pmmds_console.pages.page import Page, PageContent, PageRequest
from pmmds_console.problems import not_found
from pmmds_core.deployment import Deployment
from pmmds_core.errors import UsageError
from pmmds_core.evaluation.comparison import ModelEvaluation
from pmmds_core.policies.decision import PENDING_APPROVAL, Decision
from pmmds_core.reports.evaluation_page import evaluation_content
from pmmds_core.stores.lifecycle.history import DECISIONS, Selection
from pmmds_core.workflows.rollback import previous

N_LISTED = 100
# The words of a decision's state in tables.
STATE_WORDS = {
    "pending_approval": "waits for approval",
    "judged": "alias not moved yet",
    "moving": "alias is moving",
    "recorded": "done",
    "rejected": "rejected",
    "aborted": "aborted",
}


def outcome(kind: str, state: str, *, promoted: bool) -> str:
    """What a decision led to, in one or two words."""
    if state != "recorded":
        return STATE_WORDS.get(state, state)
    if kind != "promotion":
        return "rolled back" if kind == "rollback" else "moved in MLflow"
    return "promoted" if promoted else "held"


def with_outcomes(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of decisions, each with its `outcome`."""
    return [{**row, "outcome": outcome(row["kind"], row["state"], promoted=row["promoted"])} for row in rows]


def _list(asked: PageRequest) -> PageContent:
    state = asked.values["state"]
    selection = Selection(N_LISTED, filters={"state": state} if state else {})
    rows = asked.deployment.history.page(DECISIONS, selection).rows
    content = {
        "decisions": with_outcomes(rows),
        "state": state,
        "states": STATE_WORDS,
        "n_listed": N_LISTED,
        **_roll_back(asked.deployment),
    }
    return PageContent("Decisions", content)


def _roll_back(deployment: Deployment) -> dict[str, str]:
    """Return the live version and the version that a rollback would restore. A missing version is empty."""
    pointer = deployment.decisions.pointer()
    try:
        return {"live": pointer.version if pointer else "", "previous": previous(deployment, pointer)}
    except UsageError:  # nothing to restore
        return {"live": "", "previous": ""}


def _decision(asked: PageRequest) -> PageContent:
    decision_id = asked.values["decision_id"]
    decision = asked.deployment.decisions.get(decision_id)
    if decision is None:
        raise not_found(f"There is no decision {decision_id[:32]!r}.")
    content = {
        "decision": decision,
        "outcome": outcome(decision.kind, decision.state, promoted=decision.promoted),
        "criteria": decision.document.get("criteria", ()),
        "approvals": asked.deployment.decisions.approvals(decision_id),
        "is_pending": decision.state == PENDING_APPROVAL,
        "evaluation": _evaluation(decision),
    }
    return PageContent(f"Decision {decision_id}", content)


def _evaluation(decision: Decision) -> dict[str, Any] | None:
    document = decision.document.get("evaluation")
    return None if not document else evaluation_content(ModelEvaluation.from_document(document))


PAGES = (
    Page("/decisions", "decisions.html", _list, (text_filter("state", ""),), navigation="Decisions"),
    Page(
        "/decisions/{decision_id}",
        "decision.html",
        _decision,
        (path_parameter("decision_id", str, "Id of the decision"),),
        section="/decisions",
    ),
)
