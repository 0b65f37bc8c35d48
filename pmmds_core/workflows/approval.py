"""A person's yes or no to a promotion that waits for it. Keep out: moving the alias (promotion.py)."""

from __future__ import annotations

from pmmds_core.deployment import Deployment
from pmmds_core.errors import UsageError
from pmmds_core.policies.decision import PENDING_APPROVAL, Decision
from pmmds_core.stores.database.grants import PROMOTER
from pmmds_core.workflows.promotion import put_into_production
from pmmds_core.workflows.promotion_outcome import settle


def approve(deployment: Deployment, decision_id: str, *, by: str) -> Decision:
    """Let a waiting promotion happen.

    Raises:
        RightMissingError: this login may not promote.
        UsageError: no such decision, it does not wait for approval (any more), or nobody is named.
        PromotionConflictError: the champion that it was judged against is not in production any more: aborted.
        StoreError: a store is away; an approval that was recorded is carried out by the reconciler.
    """
    decision = _waiting(deployment, decision_id, "approved", by)
    with deployment.decisions.transaction() as turn:
        if not turn.approve(decision, by):
            raise _not_waiting(turn.decision(decision_id), "approved")
    try:
        put_into_production(decision, deployment.decisions, deployment.registry)
    finally:
        after = settle(deployment, decision)
    return after


def reject(deployment: Deployment, decision_id: str, *, by: str, reason: str = "") -> Decision:
    """Refuse a waiting promotion; its alert stays open. Raises UsageError as `approve` does."""
    decision = _waiting(deployment, decision_id, "rejected", by)
    with deployment.decisions.transaction() as turn:
        if not turn.reject(decision, by, reason):
            raise _not_waiting(turn.decision(decision_id), "rejected")
    return settle(deployment, decision)


def _waiting(deployment: Deployment, decision_id: str, verb: str, by: str) -> Decision:
    if not by.strip():
        raise UsageError(f"A decision is {verb} by somebody.", next_step="Give a name with --by NAME.")
    deployment.require_rights(PROMOTER)
    decision = deployment.decisions.get(decision_id)
    if decision is None:
        raise UsageError(f"There is no decision {decision_id!r}.", next_step="`pmmds decisions` lists them.")
    if decision.state != PENDING_APPROVAL:
        raise _not_waiting(decision, verb)
    return decision


def _not_waiting(decision: Decision, verb: str) -> UsageError:
    return UsageError(
        f"Decision {decision.decision_id} is {decision.status}; only one that is {PENDING_APPROVAL} can be {verb}.",
        next_step="`pmmds decisions` lists what waits.",
    )
