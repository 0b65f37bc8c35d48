"""Updates the retraining that led to a decision, and the retraining's alert, with the decision's state.

Not here: starting a retraining (policies/retraining.py), the states (policies/decision.py).
"""

from __future__ import annotations

from pmmds_core.deployment import Deployment
from pmmds_core.policies.decision import ABORTED, JUDGED, MOVING, PENDING_APPROVAL, RECORDED, REJECTED, Decision
from pmmds_core.policies.retraining import HELD, PROMOTED, WAITING
from pmmds_core.workflows.retraining_outcome import end_retraining


def record_outcome(deployment: Deployment, decision: Decision) -> Decision:
    """Record the outcome of the decision's retraining, if there was one.

    If the model was promoted, the alert of the retraining is resolved.

    Returns:
        The decision as it is currently stored.
    """
    after = deployment.decisions.get(decision.decision_id)
    assert after is not None, "a decision is never deleted"
    run = deployment.retrainings.of_run(after.run_id) if after.run_id else None
    if run is None or after.state in (JUDGED, MOVING):
        return after
    outcome = _outcome(after)
    end_retraining(deployment, after.run_id, outcome, _reason(after), challenger_version=after.challenger_version)
    if outcome == PROMOTED and run.alert_id is not None and deployment.alerts.get(run.alert_id).status != "resolved":
        deployment.alerts.resolve(run.alert_id, by="retraining", note=f"v{after.challenger_version} was promoted.")
    return after


def _outcome(decision: Decision) -> str:
    if decision.state == PENDING_APPROVAL:
        return WAITING
    return PROMOTED if decision.state == RECORDED and decision.promoted else HELD


def _reason(decision: Decision) -> str:
    if decision.state == REJECTED:
        return f"Rejected by {decision.changed_by}{f': {decision.state_reason}' if decision.state_reason else ''}."
    if decision.state == ABORTED:
        return f"v{decision.challenger_version} was not promoted: {decision.status}."
    return decision.promotion_reason
