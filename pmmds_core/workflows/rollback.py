"""Rolls back the production version: chooses the target version, checks it, and records the decision.

Not here: moving the alias (promotion.py), the automatic rollback policy (policies/rollback.py).
"""

from __future__ import annotations

from pmmds_core.deployment import Deployment
from pmmds_core.errors import UsageError
from pmmds_core.policies.decision import JUDGED, MOVING, RECORDED, ROLLBACK, Decision, ProductionPointer
from pmmds_core.policies.rollback import AUTOMATIC_ROLLBACK
from pmmds_core.stores.database.grants import PROMOTER
from pmmds_core.workflows.promotion import finish_moving, put_into_production, record_external_alias_change
from pmmds_core.workflows.version_lookup import find_version


def roll_back(deployment: Deployment, *, to: str = "", by: str, reason: str = "", unrecorded: bool = False) -> Decision:
    """Put a previous version back into production, and return the recorded decision of kind `rollback`.

    The arguments are those of `decide_rollback`. In addition to the errors of `decide_rollback`, this function raises a
    UsageError if `by` is the name reserved for automatic rollbacks.
    """
    if by.strip().casefold() == AUTOMATIC_ROLLBACK:
        raise UsageError(f"{by!r} is reserved for automatic rollbacks.", next_step="Specify a name with --by NAME.")
    return carry_out(deployment, decide_rollback(deployment, to=to, by=by, reason=reason, unrecorded=unrecorded))


def carry_out(deployment: Deployment, decision: Decision) -> Decision:
    """Carry out a decision of `decide_rollback`, and return the decision with its new state.

    Raises:
        UsageError: the decision is not a rollback, or it is already finished.
        PromotionConflictError: another promotion or rollback came first. The alias was not moved.
        StoreError: a store is unavailable. The reconciler will finish the rollback.
    """
    if decision.kind != ROLLBACK or decision.state not in (JUDGED, MOVING):
        raise UsageError(
            f"Decision {decision.decision_id} is not an unfinished rollback: {decision.kind}, {decision.status}.",
            next_step="`pmmds decisions` lists the decisions.",
        )
    put_into_production(decision, deployment.decisions, deployment.registry)
    found = deployment.decisions.get(decision.decision_id)
    assert found is not None, "a decision is never deleted"
    return found


def decide_rollback(
    deployment: Deployment, *, to: str = "", by: str, reason: str = "", instead_of: str = "", unrecorded: bool = False
) -> Decision:
    """Record the decision to roll back, and return the unfinished decision of kind `rollback`.

    Args:
        deployment: the deployment.
        to: the target version, with or without `v`. If it is empty, the target is the previous production version whose
            files a decision recorded. The version is required if no version is in production (champion or alias
            deleted).
        by: the name of the requester.
        reason: the reason to record with the decision.
        instead_of: the version that must still be in production, or empty for any version.
        unrecorded: True to accept `to` even if no decision recorded its files. This is not allowed for automatic
            rollbacks.

    Raises:
        UsageError: the version does not exist, is already in production or has no recorded files, there is no previous
            version, or `by` is empty. The alias was not moved.
        ArtifactCorruptError: the version's files have changed since registration. The alias was not moved.
        PromotionConflictError: another promotion or rollback came first. The alias was not moved.
        RightMissingError: this login may not promote. The alias was not moved.
        StoreError: a store is unavailable. The reconciler will finish a decision that was already recorded.
    """
    if not by.strip():
        raise UsageError(
            "A rollback requires the name of the person requesting it.", next_step="Specify a name with --by NAME."
        )
    deployment.require_rights(PROMOTER)
    finish_moving(deployment.decisions, deployment.registry)
    record_external_alias_change(deployment.decisions, deployment.registry)
    pointer = deployment.decisions.pointer()
    current = pointer.version if pointer else None
    if instead_of and instead_of != current:
        raise UsageError(
            f"{_version_text(current)} is in production instead of v{instead_of}, so nothing was rolled back."
        )
    requested = to.strip() or previous(deployment, pointer)
    # An automatic rollback uses a recorded version. If it was deleted, the decision is aborted with a notification.
    target = requested if instead_of else find_version(deployment, requested).version
    if target == current:
        raise UsageError(f"v{target} is already in production.", next_step="`pmmds decisions` shows previous versions.")
    is_recorded = deployment.decisions.recorded_digest(target) is not None
    if not is_recorded and (not unrecorded or not to.strip() or by == AUTOMATIC_ROLLBACK):
        raise _unrecorded(target)
    # Check the files before moving the alias, because the service would reject a damaged version.
    deployment.profiles.check(target)
    return deployment.decisions.save(
        kind=ROLLBACK,
        challenger=target,
        champion=current,
        promoted=True,
        reason=_reason_text(current, target, by, reason, is_recorded=is_recorded),
        improvement=None,
        details={"by": by, "reason": reason, "was_recorded": is_recorded},
        run_id="",
        by=by,
    )


def previous(deployment: Deployment, pointer: ProductionPointer | None) -> str:
    """Return the champion that the production version replaced.

    A second rollback restores the version before that champion. If the production version was never promoted, the
    result is the version that the current decision replaced. Versions without recorded files are skipped, because their
    alias was moved in MLflow. Raises UsageError if there is no such version.
    """
    if pointer is None:
        raise UsageError(
            "No model is in production, so there is nothing to roll back.",
            next_step="Specify a registered version with --to, or run `pmmds train` first.",
        )
    decision = deployment.decisions.last_promotion_of(pointer.version) or deployment.decisions.get(pointer.decision_id)
    passed = {pointer.version}
    while decision is not None and decision.champion_version and decision.champion_version not in passed:
        before = decision.champion_version
        if deployment.decisions.recorded_digest(before) is not None:
            return before
        passed.add(before)  # the alias was moved to this version in MLflow, so continue with the one before it
        moved_there = [x for x in deployment.decisions.of_version(before) if x.promoted and x.state == RECORDED]
        decision = moved_there[0] if moved_there else None
    raise UsageError(
        f"v{pointer.version} has no predecessor with recorded files to roll back to.",
        next_step="Specify a registered version with --to.",
    )


def _unrecorded(version: str) -> UsageError:
    return UsageError(
        f"No promotion or rollback recorded the files of v{version}, so they cannot be verified.",
        next_step=f"To accept them anyway, run `pmmds rollback --to {version} --unrecorded --by YOU`.",
    )


def _reason_text(current: str | None, target: str, by: str, reason: str, *, is_recorded: bool) -> str:
    """Return the reason text, with a note if no decision ever promoted the target version."""
    why = f": {reason.rstrip('.')}" if reason else ""
    note = "" if is_recorded else f" v{target} has no recorded promotion, so its files were not verified."
    return f"Rolled back from {_version_text(current)} to v{target} by {by}{why}.{note}"


def _version_text(version: str | None) -> str:
    return f"v{version}" if version else "no version"
