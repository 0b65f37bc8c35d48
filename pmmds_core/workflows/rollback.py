"""Taking the production version back: which version, why not, and the decision that says who asked and why.

Keep out: moving the alias (promotion.py) and noticing that it should move (policies/rollback.py).
"""

from __future__ import annotations

from pmmds_core.deployment import Deployment
from pmmds_core.errors import UsageError
from pmmds_core.policies.decision import JUDGED, MOVING, RECORDED, ROLLBACK, Decision, ProductionPointer
from pmmds_core.policies.rollback import AUTOMATIC_ROLLBACK
from pmmds_core.stores.database.grants import PROMOTER
from pmmds_core.workflows.promotion import adopt_moved_alias, finish_moving, put_into_production
from pmmds_core.workflows.version_lookup import find_version


def roll_back(deployment: Deployment, *, to: str = "", by: str, reason: str = "", unrecorded: bool = False) -> Decision:
    """Put an earlier version into production again for a person; the recorded decision of kind `rollback`.

    Arguments and errors as `decide_rollback`. Besides:

    Raises:
        UsageError: `by` is the name that automatic rollbacks are recorded with.
    """
    if by.strip().casefold() == AUTOMATIC_ROLLBACK:
        raise UsageError(f"{by!r} is not a person's name.", next_step="Give another one with --by NAME.")
    return carry_out(deployment, decide_rollback(deployment, to=to, by=by, reason=reason, unrecorded=unrecorded))


def carry_out(deployment: Deployment, decision: Decision) -> Decision:
    """Do what a decision of `decide_rollback` says; the decision afterwards.

    Raises:
        UsageError: it is no rollback, or not unfinished (any more).
        PromotionConflictError: another move was faster; nothing was moved.
        StoreError: a store is away; the reconciler finishes it.
    """
    if decision.kind != ROLLBACK or decision.state not in (JUDGED, MOVING):
        raise UsageError(
            f"Decision {decision.decision_id} is a {decision.kind} and {decision.status}: nothing is taken back.",
            next_step="`pmmds decisions` lists what was decided.",
        )
    put_into_production(decision, deployment.decisions, deployment.registry)
    found = deployment.decisions.get(decision.decision_id)
    assert found is not None, "a decision is never deleted"
    return found


def decide_rollback(
    deployment: Deployment, *, to: str = "", by: str, reason: str = "", instead_of: str = "", unrecorded: bool = False
) -> Decision:
    """Record that an earlier version is to be in production again; the unfinished decision of kind `rollback`.

    Args:
        d: the deployment.
        to: the version, with or without `v`; empty means the newest one before the present version whose files a
            decision recorded. Where no version is in production (the champion was deleted, or the alias), it has to
            be named.
        by: who asks for it.
        reason: why, for those who come later.
        instead_of: the version that has to be in production still; empty means any.
        unrecorded: a person vouches for `to`, although no decision recorded its files. Never for the automatic rule.

    Raises:
        UsageError: no such version, it is in production already, there is no earlier one, nobody is named, or no
            decision recorded its files; nothing was moved.
        ArtifactCorruptError: the version's files are not what was registered; nothing was moved.
        PromotionConflictError: another move was faster; nothing was moved.
        RightMissingError: this login may not promote; nothing was moved.
        StoreError: a store is away; when the decision was recorded already, the reconciler finishes it.
    """
    if not by.strip():
        raise UsageError("A version is taken back by somebody.", next_step="Give a name with --by NAME.")
    deployment.require_rights(PROMOTER)
    finish_moving(deployment.decisions, deployment.registry)
    adopt_moved_alias(deployment.decisions, deployment.registry)
    pointer = deployment.decisions.pointer()
    present = pointer.version if pointer else None
    if instead_of and instead_of != present:
        raise UsageError(f"{_told(present)} is in production instead of v{instead_of}: nothing is taken back.")
    asked = to.strip() or previous(deployment, pointer)
    # The rule names what a decision recorded; where that is gone, the decision is aborted, and people are told.
    target = asked if instead_of else find_version(deployment, asked).version
    if target == present:
        raise UsageError(
            f"v{target} is in production already.", next_step="`pmmds decisions` shows what was there before."
        )
    is_recorded = deployment.decisions.recorded_digest(target) is not None
    if not is_recorded and (not unrecorded or not to.strip() or by == AUTOMATIC_ROLLBACK):
        raise _unrecorded(target)
    deployment.profiles.check(
        target
    )  # the service would refuse a damaged version: better to know before the alias moves
    return deployment.decisions.save(
        kind=ROLLBACK,
        challenger=target,
        champion=present,
        promoted=True,
        reason=_words(present, target, by, reason, is_recorded=is_recorded),
        improvement=None,
        details={"by": by, "reason": reason, "was_recorded": is_recorded},
        run_id="",
        by=by,
    )


def previous(deployment: Deployment, pointer: ProductionPointer | None) -> str:
    """The champion that the version replaced when it was promoted: a second rollback goes one further back.

    A version that was never promoted came by a rollback to its name: then what that one replaced. Versions that no
    decision recorded are passed over: the alias was moved there from outside. Raises UsageError.
    """
    if pointer is None:
        raise UsageError(
            "No model is in production: nothing to take back.",
            next_step="Name a registered version with --to, or run `pmmds train` first.",
        )
    decision = deployment.decisions.last_promotion_of(pointer.version) or deployment.decisions.get(pointer.decision_id)
    passed = {pointer.version}
    while decision is not None and decision.champion_version and decision.champion_version not in passed:
        before = decision.champion_version
        if deployment.decisions.recorded_digest(before) is not None:
            return before
        passed.add(before)  # an alias that was moved from outside: what was there before it
        moved_there = [x for x in deployment.decisions.of_version(before) if x.promoted and x.state == RECORDED]
        decision = moved_there[0] if moved_there else None
    raise UsageError(
        f"v{pointer.version} has no predecessor in production whose files a decision recorded.",
        next_step="Name a registered version with --to.",
    )


def _unrecorded(version: str) -> UsageError:
    return UsageError(
        f"No promotion or rollback recorded the files of v{version}: nothing says that it was ever judged.",
        next_step=f"If you vouch for it: `pmmds rollback --to {version} --unrecorded --by YOU`.",
    )


def _words(present: str | None, target: str, by: str, reason: str, *, is_recorded: bool) -> str:
    """Who put what in the place of what, and why; that nothing was judged is said of a version without a record."""
    why = f": {reason.rstrip('.')}" if reason else ""
    new = "" if is_recorded else f" v{target} was not in production before by a decision; no evidence was asked for."
    return f"Rolled back from {_told(present)} to v{target} by {by}{why}.{new}"


def _told(version: str | None) -> str:
    return f"v{version}" if version else "no version"
