"""The rollback_job and the automatic_rollback_sensor, which put an earlier version back into production.

`pmmds rollback` does the same without a run. Not here: the choice of the version and the guardrails
(pmmds_core.workflows.rollback).
"""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import msgspec
from pydantic import Field

from pmmds_assets.assets.promotion import production_metadata
from pmmds_assets.jobs import MAX_RUNTIME, WRITES_MODELS
from pmmds_assets.loop_sensor import loop_sensor
from pmmds_assets.names import PLAIN, LoopNames
from pmmds_assets.resources import DeploymentResource
from pmmds_core.deployment import Deployment
from pmmds_core.errors import PmmdsError, UsageError
from pmmds_core.policies.decision import Decision
from pmmds_core.policies.notifications import is_automatic_rollback
from pmmds_core.policies.rollback import AUTOMATIC_ROLLBACK, ROLL_BACK, WatchedTotals
from pmmds_core.stores.database.grants import PROMOTER
from pmmds_core.workflows.promotion_watch import watch
from pmmds_core.workflows.rollback import carry_out, decide_rollback, previous, roll_back

WATCH_SECONDS = 15
PRODUCTION_MODEL = "production_model"
ROLLBACK_OP = "roll_back_production"


_LAUNCHPAD = "Dagster's launchpad"


class RollbackConfig(dg.Config):
    """The launchpad configuration, whose defaults restore the previous champion.

    Anyone who launches a run can change the configuration. A rollback by the automatic rule is therefore identified by
    the decision that the sensor recorded, and the requester's name is recorded unverified.
    """

    to: str = Field(default="", description="The version to restore. If empty, the previous champion is used")
    by: str = Field(default="", max_length=64, description="The name to record with the rollback")
    reason: str = Field(default="", max_length=500, description="Reason for the rollback")
    decision: str = Field(default="", description="The id of a recorded rollback to execute instead of a new one")


def _carried_out(deployment: Deployment, decision_id: str) -> Decision:
    decision = deployment.require_rights(PROMOTER).decisions.get(decision_id)
    if decision is None:
        raise UsageError(f"There is no decision {decision_id!r}.", next_step="`pmmds decisions` lists them.")
    return carry_out(deployment, decision)


def _asked_for(deployment: Deployment, config: RollbackConfig) -> Decision:
    """Roll back as requested.

    Raises UsageError if rollbacks need approval, because the launchpad does not authenticate users.
    """
    if deployment.settings.promotion_approval == "manual":
        raise UsageError(
            "With PMMDS_PROMOTION_APPROVAL=manual, a run cannot choose the version in production.",
            next_step="Run `pmmds rollback --by NAME` with the promoter's login.",
        )
    by = f"{config.by.strip()} ({_LAUNCHPAD})" if config.by.strip() else _LAUNCHPAD
    return roll_back(deployment, to=config.to, by=by, reason=config.reason)


def make_rollback_job(names: LoopNames = PLAIN, executor: dg.ExecutorDefinition | None = None) -> dg.JobDefinition:
    """Return the job with a Dagster project's names and executor. None uses the project's default executor."""

    @dg.op(
        name=names.op(ROLLBACK_OP),
        description="Move the alias production to the previous champion or a given version, and record the decision.",
    )
    def roll_back_production(
        context: dg.OpExecutionContext, config: RollbackConfig, deployment: DeploymentResource
    ) -> None:
        d = deployment.open()
        decision = _carried_out(d, config.decision) if config.decision else _asked_for(d, config)
        context.log.info(decision.promotion_reason)
        context.log_event(production_event(d, decision, names))

    @dg.job(
        name=names.name("rollback_job"),
        description="Put the previous champion or a given version back into production. See `pmmds rollback`.",
        tags={**MAX_RUNTIME, **WRITES_MODELS},
        executor_def=executor,
    )
    def rollback() -> None:
        roll_back_production()

    return rollback


def make_automatic_rollback_sensor(job: dg.JobDefinition, names: LoopNames = PLAIN) -> dg.SensorDefinition:
    """Return the sensor that launches `job`, the project's rollback_job."""

    @loop_sensor(
        name=names.name("automatic_rollback_sensor"),
        job=job,
        minimum_interval_seconds=WATCH_SECONDS,
        description="Rolls back a promotion that violates a guardrail, if PMMDS_ROLLBACK_AUTOMATIC=on.",
    )
    def automatic_rollback(
        context: dg.SensorEvaluationContext, deployment: DeploymentResource
    ) -> dg.SensorResult | dg.SkipReason:
        return _watched(context, deployment.open(), names)

    return automatic_rollback


def _watched(
    context: dg.SensorEvaluationContext, deployment: Deployment, names: LoopNames
) -> dg.SensorResult | dg.SkipReason:
    if deployment.settings.rollback_automatic == "off":
        return dg.SkipReason("PMMDS_ROLLBACK_AUTOMATIC is off.")
    seen = msgspec.json.decode(context.cursor, type=WatchedTotals) if context.cursor else None
    watched = watch(deployment, seen, datetime.now(UTC))
    cursor = msgspec.json.encode(watched.totals).decode() if watched.totals else None
    if watched.decision is None or watched.verdict is None:
        return dg.SensorResult(skip_reason="The version in production was not promoted.", cursor=cursor)
    if watched.verdict.verdict != ROLL_BACK:
        words = "; ".join((watched.verdict.verdict, *watched.verdict.reasons))
        return dg.SensorResult(skip_reason=f"v{watched.decision.challenger_version}: {words}.", cursor=cursor)
    try:
        target = previous(deployment, deployment.decisions.pointer())
        decided = _decided(deployment, watched.decision, target, watched.verdict.reasons)
    except PmmdsError as error:
        return dg.SensorResult(skip_reason=f"v{watched.decision.challenger_version}: {error}", cursor=cursor)
    return dg.SensorResult(run_requests=[_request(watched.decision, decided, names)], cursor=cursor)


def _decided(deployment: Deployment, promotion: Decision, target: str, reasons: tuple[str, ...]) -> Decision:
    """Return the automatic rule's decision to roll back a promotion.

    The decision is recorded only once, even if the rollback fails.
    """
    since = promotion.moved_at
    for decision in deployment.decisions.of_version(target):
        if is_automatic_rollback(decision) and (since is None or decision.decided_at >= since):
            return decision
    reason, instead_of = "; ".join(reasons), promotion.challenger_version
    return decide_rollback(deployment, to=target, by=AUTOMATIC_ROLLBACK, reason=reason, instead_of=instead_of)


def _request(promotion: Decision, decided: Decision, names: LoopNames) -> dg.RunRequest:
    # There is one attempt per promotion. If the attempt's run fails, manual action is needed.
    return dg.RunRequest(
        run_key=f"rollback:{promotion.decision_id}",
        run_config=dg.RunConfig(ops={names.op(ROLLBACK_OP): RollbackConfig(decision=decided.decision_id)}),
    )


def production_event(deployment: Deployment, decision: Decision, names: LoopNames = PLAIN) -> dg.AssetMaterialization:
    """Return a materialization of production_model for a version change that happened outside the asset."""
    version = deployment.production_version()
    metadata: dict[str, Any] = production_metadata(deployment, version, decision, moved=True)
    return dg.AssetMaterialization(
        names.key(PRODUCTION_MODEL),
        description=decision.promotion_reason,
        metadata=metadata,
        tags={"dagster/data_version": f"v{version.version}-{version.digest[:12]}"},
    )


rollback_job = make_rollback_job()
automatic_rollback_sensor = make_automatic_rollback_sensor(rollback_job)
