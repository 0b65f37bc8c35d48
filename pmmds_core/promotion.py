"""Putting a version into production: the one place that moves the production alias.

MLflow's aliases are last-write-wins, so a row of our database (the production pointer) is compared and set first and
the alias follows it. Every step can be repeated: `put_into_production` on an unfinished decision finishes it.
Keep out: judging (policy.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from pmmds_core.errors import PromotionConflictError
from pmmds_core.stores.decisions import RECORDED, SUPERSEDED, Decision, DecisionStore
from pmmds_core.stores.model_registry import PRODUCTION, ModelRegistry


@dataclass(frozen=True)
class Promotion:
    """What was done for a decision: the version in production now, and whether this call moved it."""

    version: str
    previous_version: str | None
    moved: bool


def put_into_production(decision: Decision, decisions: DecisionStore, registry: ModelRegistry) -> Promotion:
    """Move the production alias to the decision's challenger, once.

    Raises:
        PromotionConflictError: production moved since the decision was made; the decision is marked superseded.
        RegistryUnavailableError: MLflow does not answer; the decision stays unfinished and can be tried again.
    """
    if decision.state == RECORDED:
        return Promotion(decision.challenger_version, decision.champion_version, moved=False)
    if decision.state == SUPERSEDED or not decisions.claim_pointer(decision):
        raise _conflict(decision, decisions)
    registry.move_alias(decision.model_name, PRODUCTION, decision.challenger_version)
    decisions.finish(decision.decision_id)
    _follow_pointer(decision, decisions, registry)
    return Promotion(decision.challenger_version, decision.champion_version, moved=True)


def _follow_pointer(decision: Decision, decisions: DecisionStore, registry: ModelRegistry) -> None:
    """A slower promoter must not leave the alias behind a newer move of the pointer."""
    pointer = decisions.pointer()
    if pointer is not None and pointer.version != decision.challenger_version:
        registry.move_alias(decision.model_name, PRODUCTION, pointer.version)


def adopt_moved_alias(decisions: DecisionStore, registry: ModelRegistry) -> Decision | None:
    """When a person moved the alias in MLflow by hand: record it as a decision, so that the pointer agrees again.

    Returns:
        The recorded decision; None when pointer and alias agree, or a promotion is under way.
    """
    alias, pointer = registry.version_of(decisions.model_name, PRODUCTION), decisions.pointer()
    if alias is None or decisions.unfinished() or (pointer is not None and pointer.version == alias.version):
        return None
    decision = decisions.save(
        kind="manual",
        challenger=alias.version,
        champion=pointer.version if pointer else None,
        promoted=True,
        reason=f"The alias {PRODUCTION} was moved to v{alias.version} by hand in MLflow.",
        improvement=None,
        details={},
        run_id="",
    )
    if decisions.claim_pointer(decision):
        decisions.finish(decision.decision_id)
    return decisions.get(decision.decision_id)


def _conflict(decision: Decision, decisions: DecisionStore) -> PromotionConflictError:
    pointer = decisions.pointer()
    now = f"v{pointer.version}" if pointer else "no version"
    then = f"v{decision.champion_version}" if decision.champion_version else "no version"
    return PromotionConflictError(
        f"Decision {decision.decision_id} judged v{decision.challenger_version} against {then}, "
        f"but {now} is in production now; nothing was moved.",
        next_step="Materialize model_evaluation again to judge against the present champion.",
    )
