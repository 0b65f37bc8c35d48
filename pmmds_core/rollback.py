"""Taking the production version back: which version, why not, and the decision that says who asked and why.

Keep out: moving the alias (promotion.py) and noticing that it should move (rollback_policy.py).
"""

from __future__ import annotations

from pmmds_core.decision import ROLLBACK, Decision, ProductionPointer
from pmmds_core.deployment import Deployment
from pmmds_core.errors import NoModelError, UsageError
from pmmds_core.promotion import adopt_moved_alias, finish_moving, put_into_production
from pmmds_core.stores.rights import PROMOTER


def roll_back(d: Deployment, *, to: str = "", by: str, reason: str = "", instead_of: str = "") -> Decision:
    """Put an earlier version into production again; the recorded decision of kind `rollback`.

    Args:
        d: the deployment.
        to: the version, with or without `v`; empty means the champion that the present version replaced.
        by: who asks for it.
        reason: why, for those who come later.
        instead_of: the version that has to be in production still; empty means any.

    Raises:
        UsageError: no such version, it is in production already, or there is no earlier one; nothing was moved.
        ArtifactCorruptError: the version's files are not what was registered; nothing was moved.
        PromotionConflictError: another move was faster; nothing was moved.
        RightMissingError: this login may not promote; nothing was moved.
        StoreError: a store is away; when the decision was recorded already, the reconciler finishes it.
    """
    d.require_rights(PROMOTER)
    finish_moving(d.decisions, d.registry)
    adopt_moved_alias(d.decisions, d.registry)
    pointer = d.decisions.pointer()
    if pointer is None:
        raise UsageError("No model is in production: nothing to take back.", next_step="Run `pmmds train` first.")
    if instead_of and instead_of != pointer.version:
        raise UsageError(f"v{pointer.version} is in production instead of v{instead_of}: nothing is taken back.")
    target = to.strip().removeprefix("v") or _previous(d, pointer)
    if target == pointer.version:
        raise UsageError(
            f"v{target} is in production already.", next_step="`pmmds decisions` shows what was there before."
        )
    _verify(d, target)
    decision = d.decisions.save(
        kind=ROLLBACK,
        challenger=target,
        champion=pointer.version,
        promoted=True,
        reason=f"Rolled back from v{pointer.version} to v{target} by {by}{f': {reason}' if reason else ''}.",
        improvement=None,
        details={"by": by, "reason": reason},
        run_id="",
        by=by,
    )
    put_into_production(decision, d.decisions, d.registry)
    found = d.decisions.get(decision.decision_id)
    assert found is not None, "a decision is never deleted"
    return found


def _previous(d: Deployment, pointer: ProductionPointer) -> str:
    """The champion that the version replaced when it was promoted: a second rollback goes one further back.

    A version that was never promoted came by a rollback to its name: then what that one replaced.
    """
    decision = d.decisions.last_promotion_of(pointer.version) or d.decisions.get(pointer.decision_id)
    if decision is None or not decision.champion_version:
        raise UsageError(
            f"v{pointer.version} has no predecessor in production.", next_step="Name a registered version with --to."
        )
    return decision.champion_version


def _verify(d: Deployment, version: str) -> None:
    """The service would refuse a damaged version and stay where it is: better to know before the alias moves."""
    if not version.isdecimal():
        raise _unknown(d, version)
    try:
        d.profiles.bundle(version)
    except NoModelError:
        raise _unknown(d, version) from None


def _unknown(d: Deployment, version: str) -> UsageError:
    known = ", ".join(f"v{v.version}" for v in d.registry.versions(d.model_name)[:10])
    return UsageError(
        f"{d.model_name} has no version {version!r} in the registry.", next_step=f"Registered are {known}."
    )
