"""Moves the production alias. No other module may move it.

MLflow's aliases are last-write-wins, so the alias moves under a lock in the database, after the production pointer.
Every step can be repeated: `put_into_production` on an unfinished decision finishes or aborts it.
Not here: the policy (policies/promotion.py), database rows and the lock (stores/lifecycle/promotion_lock.py).

    step            committed with it                        a crash after it leaves
    intent          state judged                             nothing moved; the reconciler continues
    claim           pointer, fencing token, state moving     alias at the champion; the reconciler moves it
    move            (MLflow's alias)                         alias at the challenger; the reconciler records it
    record          state recorded, moved_at                 nothing to do
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from pmmds_core.errors import DatabaseUnavailableError, NoModelError, PromotionConflictError
from pmmds_core.policies.decision import (
    CHALLENGER_GONE,
    CHAMPION_CHANGED,
    FILES_CHANGED,
    JUDGED,
    JUDGED_FILES,
    MOVING,
    RECORDED,
    Decision,
)
from pmmds_core.stores.artifacts.model_registry import PRODUCTION, ModelRegistry
from pmmds_core.stores.lifecycle.decisions import DecisionStore
from pmmds_core.stores.lifecycle.promotion_lock import PromotionTransaction


@dataclass(frozen=True)
class Promotion:
    """The result of a promotion.

    `version` is the version that is now in production. `moved` is True if this call moved the alias.
    """

    version: str
    previous_version: str | None
    moved: bool


def put_into_production(decision: Decision, decisions: DecisionStore, registry: ModelRegistry) -> Promotion:
    """Move the production alias to the decision's challenger, unless it has been moved already.

    Raises:
        PromotionConflictError: the champion changed since the decision, or its challenger was deleted. The decision is
            `aborted` with the reason, and the alias was not moved. The error is also raised if the decision is pending
            approval.
        RegistryUnavailableError, DatabaseUnavailableError: the decision stays unfinished and can be retried.
    """
    finish_moving(decisions, registry, except_for=decision.decision_id)
    if _challenger_is_gone(decision, registry):
        _abort_and_record_alias(decision, decisions, registry, CHALLENGER_GONE)
    elif _require(decision, decisions).state == JUDGED:
        _claim_with_files(decision, decisions, registry)
    moved = _move(decision, decisions, registry)
    after = _require(decision, decisions)
    if after.state != RECORDED or not after.promoted:
        raise _conflict_error(after, decisions)
    return Promotion(after.challenger_version, after.champion_version, moved=moved)


def reconcile(decisions: DecisionStore, registry: ModelRegistry) -> list[Decision]:
    """Finish or abort all unfinished promotions, and return their decisions with the new states.

    Raises:
        RegistryUnavailableError, DatabaseUnavailableError: the remaining decisions can be retried.
    """
    unfinished = decisions.unfinished()
    for decision in sorted(unfinished, key=lambda d: d.state != MOVING):
        _finish_or_abort(decision, decisions, registry)
    return [_require(d, decisions) for d in unfinished]


def _finish_or_abort(decision: Decision, decisions: DecisionStore, registry: ModelRegistry) -> None:
    # After a conflict, the decision is aborted with its reason and is therefore finished as well.
    with suppress(PromotionConflictError):
        put_into_production(decision, decisions, registry)


def record_external_alias_change(decisions: DecisionStore, registry: ModelRegistry) -> Decision | None:
    """Record a move of the alias in MLflow as a decision, so that the production pointer matches the alias again.

    Returns:
        The recorded decision, or None if the pointer and the alias match or a promotion is in progress.
    """
    pointer = decisions.pointer()
    if _alias(decisions, registry) == (pointer.version if pointer else None):
        return None
    with decisions.transaction() as transaction:
        alias = _alias(decisions, registry)
        if transaction.promotion_in_progress() is not None or alias == _pointed_at(transaction):
            return None
        return transaction.record_external_alias_change(alias)


def finish_moving(decisions: DecisionStore, registry: ModelRegistry, *, except_for: str = "") -> None:
    """Finish earlier promotions in which another process moved the pointer but not the alias."""
    for other in decisions.unfinished():
        if other.state == MOVING and other.decision_id != except_for:
            _finish_or_abort(other, decisions, registry)


def _claim_with_files(decision: Decision, decisions: DecisionStore, registry: ModelRegistry) -> None:
    """Claim the promotion if the version's files equal the evaluated and previously promoted files.

    Otherwise, the promotion is aborted.
    """
    digest = registry.files_digest(decision.model_name, decision.challenger_version)
    judged = decision.document.get("evaluation", {}).get(JUDGED_FILES)
    if {judged or digest, decisions.recorded_digest(decision.challenger_version) or digest} == {digest}:
        _claim(decision, decisions, registry, digest)
    else:
        _abort_and_record_alias(decision, decisions, registry, FILES_CHANGED)


def _claim(decision: Decision, decisions: DecisionStore, registry: ModelRegistry, digest: str) -> None:
    with decisions.transaction() as transaction:
        found = transaction.decision(decision.decision_id)
        if found.state != JUDGED:
            return
        other = transaction.promotion_in_progress()
        if other is not None:
            raise PromotionConflictError(
                f"Promotion {other.decision_id} of v{other.challenger_version} is in progress, so the production alias "
                f"was not moved.",
                next_step="The other promotion finishes within a minute, and this one is then retried.",
            )
        alias, pointed_at = _alias(decisions, registry), _pointed_at(transaction)
        if alias == pointed_at == found.challenger_version:
            transaction.record(found, digest)  # already in production
        elif alias == pointed_at == found.champion_version:
            transaction.claim(found, digest)
        else:
            _abort_for_another_champion(transaction, found, alias)


def _move(decision: Decision, decisions: DecisionStore, registry: ModelRegistry) -> bool:
    """Move the alias to the version of a claimed decision, and record the move.

    Returns True if this call moved the alias.
    """
    moved = False
    try:
        with decisions.transaction() as transaction:
            found = transaction.decision(decision.decision_id)
            if found.state != MOVING:
                return False
            alias = _alias(decisions, registry)
            if alias not in (found.challenger_version, found.champion_version):
                _abort_for_another_champion(transaction, found, alias)
                return False
            if alias != found.challenger_version:
                transaction.confirm()
                registry.move_alias(found.model_name, PRODUCTION, found.challenger_version)
                moved = True
            transaction.record(found)
    except DatabaseUnavailableError:
        if moved:  # if the lock was lost before the move, another promotion may have followed
            _follow_pointer(decisions, registry)
        raise
    return moved


def _follow_pointer(decisions: DecisionStore, registry: ModelRegistry) -> None:
    """Move the alias to the pointer's version, so that a process that lost the lock does not undo a newer promotion."""
    with decisions.transaction() as transaction:
        pointed_at = _pointed_at(transaction)
        is_idle = transaction.promotion_in_progress() is None
        if pointed_at is not None and is_idle and pointed_at != _alias(decisions, registry):
            registry.move_alias(decisions.model_name, PRODUCTION, pointed_at)


def _abort_for_another_champion(transaction: PromotionTransaction, decision: Decision, alias: str | None) -> None:
    """Abort the decision. The alias is kept, because it was moved to another version in MLflow."""
    transaction.abort(decision, CHAMPION_CHANGED)
    if alias != _pointed_at(transaction):
        transaction.record_external_alias_change(alias)


def _challenger_is_gone(decision: Decision, registry: ModelRegistry) -> bool:
    try:
        registry.get_version(decision.model_name, decision.challenger_version)
    except NoModelError:
        return True
    return False


def _abort_and_record_alias(decision: Decision, decisions: DecisionStore, registry: ModelRegistry, reason: str) -> None:
    with decisions.transaction() as transaction:
        found = transaction.decision(decision.decision_id)
        if found.state not in (JUDGED, MOVING):
            return
        transaction.abort(found, reason)
        alias = _alias(decisions, registry)
        if transaction.promotion_in_progress() is None and alias != _pointed_at(transaction):
            transaction.record_external_alias_change(alias)


def _alias(decisions: DecisionStore, registry: ModelRegistry) -> str | None:
    found = registry.version_of(decisions.model_name, PRODUCTION)
    return None if found is None else found.version


def _pointed_at(transaction: PromotionTransaction) -> str | None:
    pointer = transaction.pointer()
    return None if pointer is None else pointer.version


def _require(decision: Decision, decisions: DecisionStore) -> Decision:
    found = decisions.get(decision.decision_id)
    assert found is not None, "a decision is never deleted"
    return found


def _conflict_error(decision: Decision, decisions: DecisionStore) -> PromotionConflictError:
    if decision.state_reason != CHAMPION_CHANGED:
        return PromotionConflictError(
            f"Decision {decision.decision_id} about v{decision.challenger_version} is {decision.status}. The alias was "
            f"not moved."
        )
    pointer = decisions.pointer()
    now = f"v{pointer.version}" if pointer else "no version"
    then = f"v{decision.champion_version}" if decision.champion_version else "no version"
    return PromotionConflictError(
        f"Decision {decision.decision_id} compared v{decision.challenger_version} with {then}, "
        f"but {now} is in production now. The alias was not moved ({decision.status}).",
        next_step="To compare with the current champion, materialize model_evaluation again.",
    )
