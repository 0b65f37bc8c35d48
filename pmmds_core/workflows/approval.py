"""Approval and rejection of a pending promotion. Not here: moving the alias (promotion.py)."""

from __future__ import annotations

from pmmds_core.deployment import Deployment
from pmmds_core.errors import UsageError
from pmmds_core.policies.decision import PENDING_APPROVAL, Decision
from pmmds_core.policies.people import ADMIN, key_of
from pmmds_core.stores.database.grants import PROMOTER
from pmmds_core.workflows.promotion import put_into_production
from pmmds_core.workflows.promotion_outcome import record_outcome


def approve(deployment: Deployment, decision_id: str, *, by: str) -> Decision:
    """Approve a pending promotion.

    The promotion is carried out when PMMDS_PROMOTION_APPROVALS people have approved it.

    Returns:
        The current decision, which is still `pending_approval` if another person must also approve it.

    Raises:
        RightMissingError: this login may not promote.
        UsageError: the decision does not exist or is not pending approval, `by` is empty or no person although several
            must approve, or the same person has already approved it.
        PromotionConflictError: the champion is no longer in production. The decision is aborted.
        StoreError: a store is unavailable. If the approval was recorded, the reconciler carries it out.
    """
    decision = _waiting(deployment, decision_id, "approved", by)
    _reject_admin(deployment, by)
    if not _approve(deployment, decision, by):
        return decision
    try:
        put_into_production(decision, deployment.decisions, deployment.registry)
    finally:
        after = record_outcome(deployment, decision)
    return after


def _approve(deployment: Deployment, decision: Decision, by: str) -> bool:
    """Record the approval, and return True if enough people have approved the promotion to carry it out."""
    with deployment.decisions.transaction() as transaction:
        now = transaction.decision(decision.decision_id)
        if now.state != PENDING_APPROVAL:
            raise _not_waiting(now, "approved")
        is_new = transaction.add_approval(decision, by)
        if transaction.n_approvals(decision) >= deployment.settings.promotion_approvals:
            return transaction.approve(decision, by)
        if not is_new:
            raise UsageError(
                f"{by} has already approved decision {decision.decision_id}.",
                next_step="Another person must give the next approval.",
            )
        return False


def _reject_admin(deployment: Deployment, by: str) -> None:
    """Raise UsageError for the admin token if several people must approve, because each of them could use it too."""
    if deployment.settings.promotion_approvals > 1 and key_of(by) == ADMIN:
        raise UsageError(
            f"{deployment.settings.promotion_approvals} people must approve this promotion, and the admin token "
            "belongs to no person.",
            next_step="Approve it with your own name: sign in, or use an API token of your own.",
        )


def reject(deployment: Deployment, decision_id: str, *, by: str, reason: str = "") -> Decision:
    """Reject a pending promotion, even after a first approval. The alert of the promotion stays open.

    Raises UsageError and RightMissingError, as `approve` does.
    """
    decision = _waiting(deployment, decision_id, "rejected", by)
    with deployment.decisions.transaction() as transaction:
        if not transaction.reject(decision, by, reason):
            raise _not_waiting(transaction.decision(decision_id), "rejected")
    return record_outcome(deployment, decision)


def _waiting(deployment: Deployment, decision_id: str, verb: str, by: str) -> Decision:
    if not by.strip():
        raise UsageError(
            "An approval or rejection requires the name of the person who decides.",
            next_step="Specify a name with --by NAME.",
        )
    deployment.require_rights(PROMOTER)
    decision = deployment.decisions.get(decision_id)
    if decision is None:
        raise UsageError(f"There is no decision {decision_id!r}.", next_step="`pmmds decisions` lists them.")
    if decision.state != PENDING_APPROVAL:
        raise _not_waiting(decision, verb)
    return decision


def _not_waiting(decision: Decision, verb: str) -> UsageError:
    return UsageError(
        f"Decision {decision.decision_id} is {decision.status}. Only a {PENDING_APPROVAL} decision can be {verb}.",
        next_step="`pmmds decisions` lists pending decisions.",
    )
