"""Putting a version into production: the one place that moves the production alias.

MLflow's aliases are last-write-wins, so the alias moves under a lock of our database, after the production pointer.
Every step can be repeated: `put_into_production` on an unfinished decision finishes or undoes it.
Keep out: judging (policies/promotion.py), rows and lock (stores/lifecycle/promotion_lock.py).

    step            committed with it                        a crash after it leaves
    intent          state judged                             nothing moved; the reconciler goes on
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
    """What was done for a decision: the version in production now, and whether this call moved it."""

    version: str
    previous_version: str | None
    moved: bool


def put_into_production(decision: Decision, decisions: DecisionStore, registry: ModelRegistry) -> Promotion:
    """Move the production alias to the decision's challenger, once.

    Raises:
        PromotionConflictError: production moved since the decision was made, or its challenger is gone; the decision
            is `aborted` with the reason, and nothing was moved. Also for a decision that waits for approval.
        RegistryUnavailableError, DatabaseUnavailableError: the decision stays unfinished and can be tried again.
    """
    finish_moving(decisions, registry, except_for=decision.decision_id)
    if _challenger_is_gone(decision, registry):
        _abort_and_adopt(decision, decisions, registry, CHALLENGER_GONE)
    elif _require(decision, decisions).state == JUDGED:
        _claim_with_files(decision, decisions, registry)
    moved = _move(decision, decisions, registry)
    after = _require(decision, decisions)
    if after.state != RECORDED or not after.promoted:
        raise _refusal(after, decisions)
    return Promotion(after.challenger_version, after.champion_version, moved=moved)


def reconcile(decisions: DecisionStore, registry: ModelRegistry) -> list[Decision]:
    """Finish or undo every promotion that was left unfinished; what became of each.

    Raises:
        RegistryUnavailableError, DatabaseUnavailableError: what is left can be tried again.
    """
    left = decisions.unfinished()
    for decision in sorted(left, key=lambda d: d.state != MOVING):
        _finish_or_undo(decision, decisions, registry)
    return [_require(d, decisions) for d in left]


def _finish_or_undo(decision: Decision, decisions: DecisionStore, registry: ModelRegistry) -> None:
    # A conflict is an end as well: the decision was aborted, and says why.
    with suppress(PromotionConflictError):
        put_into_production(decision, decisions, registry)


def adopt_moved_alias(decisions: DecisionStore, registry: ModelRegistry) -> Decision | None:
    """When a person moved the alias in MLflow by hand: record it as a decision, so that the pointer agrees again.

    Returns:
        The recorded decision; None when pointer and alias agree, or a promotion is under way.
    """
    pointer = decisions.pointer()
    if _alias(decisions, registry) == (pointer.version if pointer else None):
        return None
    with decisions.transaction() as turn:
        alias = _alias(decisions, registry)
        if turn.promotion_in_progress() is not None or alias == _pointed_at(turn):
            return None
        return turn.record_external_alias_change(alias)


def finish_moving(decisions: DecisionStore, registry: ModelRegistry, *, except_for: str = "") -> None:
    """Finish what another process left between pointer and alias: it was decided earlier, and comes first."""
    for other in decisions.unfinished():
        if other.state == MOVING and other.decision_id != except_for:
            _finish_or_undo(other, decisions, registry)


def _claim_with_files(decision: Decision, decisions: DecisionStore, registry: ModelRegistry) -> None:
    """Claim with the digest of the files that are promoted: those that were judged, and those promoted before."""
    digest = registry.files_digest(decision.model_name, decision.challenger_version)
    judged = decision.document.get("evaluation", {}).get(JUDGED_FILES)
    if {judged or digest, decisions.recorded_digest(decision.challenger_version) or digest} == {digest}:
        _claim(decision, decisions, registry, digest)
    else:
        _abort_and_adopt(decision, decisions, registry, FILES_CHANGED)


def _claim(decision: Decision, decisions: DecisionStore, registry: ModelRegistry, digest: str) -> None:
    with decisions.transaction() as turn:
        found = turn.decision(decision.decision_id)
        if found.state != JUDGED:
            return
        other = turn.promotion_in_progress()
        if other is not None:
            raise PromotionConflictError(
                f"Promotion {other.decision_id} of v{other.challenger_version} is under way; nothing was moved.",
                next_step="It is finished within a minute; this one is taken up again afterwards.",
            )
        alias, pointed_at = _alias(decisions, registry), _pointed_at(turn)
        if alias == pointed_at == found.challenger_version:
            turn.record(found, digest)  # it is there already
        elif alias == pointed_at == found.champion_version:
            turn.claim(found, digest)
        else:
            _abort_for_another_champion(turn, found, alias)


def _move(decision: Decision, decisions: DecisionStore, registry: ModelRegistry) -> bool:
    """Move the alias of a claimed decision and record it. Returns whether this call moved it."""
    moved = False
    try:
        with decisions.transaction() as turn:
            found = turn.decision(decision.decision_id)
            if found.state != MOVING:
                return False
            alias = _alias(decisions, registry)
            if alias not in (found.challenger_version, found.champion_version):
                _abort_for_another_champion(turn, found, alias)
                return False
            if alias != found.challenger_version:
                turn.confirm()
                registry.move_alias(found.model_name, PRODUCTION, found.challenger_version)
                moved = True
            turn.record(found)
    except DatabaseUnavailableError:
        if moved:  # the lock may have been lost before the alias moved, and another may have moved on
            _follow_pointer(decisions, registry)
        raise
    return moved


def _follow_pointer(decisions: DecisionStore, registry: ModelRegistry) -> None:
    """A promoter that had lost the lock must not leave the alias behind a newer move of the pointer."""
    with decisions.transaction() as turn:
        pointed_at = _pointed_at(turn)
        is_idle = turn.promotion_in_progress() is None
        if pointed_at is not None and is_idle and pointed_at != _alias(decisions, registry):
            registry.move_alias(decisions.model_name, PRODUCTION, pointed_at)


def _abort_for_another_champion(turn: PromotionTransaction, decision: Decision, alias: str | None) -> None:
    """The alias is neither where it was nor where it should go: a person's move stands."""
    turn.abort(decision, CHAMPION_CHANGED)
    if alias != _pointed_at(turn):
        turn.record_external_alias_change(alias)


def _challenger_is_gone(decision: Decision, registry: ModelRegistry) -> bool:
    try:
        registry.get_version(decision.model_name, decision.challenger_version)
    except NoModelError:
        return True
    return False


def _abort_and_adopt(decision: Decision, decisions: DecisionStore, registry: ModelRegistry, reason: str) -> None:
    with decisions.transaction() as turn:
        found = turn.decision(decision.decision_id)
        if found.state not in (JUDGED, MOVING):
            return
        turn.abort(found, reason)
        alias = _alias(decisions, registry)
        if turn.promotion_in_progress() is None and alias != _pointed_at(turn):
            turn.record_external_alias_change(alias)


def _alias(decisions: DecisionStore, registry: ModelRegistry) -> str | None:
    found = registry.version_of(decisions.model_name, PRODUCTION)
    return None if found is None else found.version


def _pointed_at(turn: PromotionTransaction) -> str | None:
    pointer = turn.pointer()
    return None if pointer is None else pointer.version


def _require(decision: Decision, decisions: DecisionStore) -> Decision:
    found = decisions.get(decision.decision_id)
    assert found is not None, "a decision is never deleted"
    return found


def _refusal(decision: Decision, decisions: DecisionStore) -> PromotionConflictError:
    if decision.state_reason != CHAMPION_CHANGED:
        return PromotionConflictError(
            f"Decision {decision.decision_id} on v{decision.challenger_version} is {decision.status}; "
            "nothing was moved."
        )
    pointer = decisions.pointer()
    now = f"v{pointer.version}" if pointer else "no version"
    then = f"v{decision.champion_version}" if decision.champion_version else "no version"
    return PromotionConflictError(
        f"Decision {decision.decision_id} judged v{decision.challenger_version} against {then}, "
        f"but {now} is in production now; {decision.status}, nothing was moved.",
        next_step="Materialize model_evaluation again to judge against the present champion.",
    )
