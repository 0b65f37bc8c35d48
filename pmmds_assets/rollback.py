"""rollback_job: an earlier version back into production, from the launchpad or by the sensor that watches promotions.

The command line does it without a run.

Keep out: which version and why not (pmmds_core.rollback).
"""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import msgspec
from pydantic import Field

from pmmds_assets.assets.promotion import production_metadata
from pmmds_assets.jobs import MAX_RUNTIME, WRITES_MODELS
from pmmds_assets.loop_sensor import loop_sensor
from pmmds_assets.resources import DeploymentResource
from pmmds_core.decision import Decision
from pmmds_core.deployment import Deployment
from pmmds_core.errors import UsageError
from pmmds_core.promotion_watch import watch
from pmmds_core.rollback import previous, roll_back
from pmmds_core.rollback_policy import AUTOMATIC_ROLLBACK, ROLL_BACK, WatchedTotals

WATCH_SECONDS = 15
PRODUCTION_MODEL = "production_model"


class RollbackConfig(dg.Config):
    """What the launchpad asks for; left as it is, the previous champion comes back."""

    to: str = Field(default="", description="Version to put into production; empty: the previous champion")
    by: str = Field(default="Dagster's launchpad", description="Who asks for it")
    reason: str = Field(default="", description="Why, for those who come later")
    instead_of: str = Field(default="", description="Only while this version is in production; empty: any")


@dg.op(description="Alias production back to the previous champion or a named version; recorded as a decision.")
def roll_back_production(
    context: dg.OpExecutionContext, config: RollbackConfig, deployment: DeploymentResource
) -> None:
    d = deployment.open()
    decision = roll_back(d, to=config.to, by=config.by, reason=config.reason, instead_of=config.instead_of)
    context.log.info(decision.promotion_reason)
    context.log_event(production_event(d, decision))


@dg.job(
    description="Put the previous champion, or a named version, back into production. See `pmmds rollback`.",
    tags={**MAX_RUNTIME, **WRITES_MODELS},
)
def rollback_job() -> None:
    roll_back_production()


@loop_sensor(
    job=rollback_job,
    minimum_interval_seconds=WATCH_SECONDS,
    description="With PMMDS_ROLLBACK_AUTOMATIC=on: takes a promotion back that breaks a bound soon after it.",
)
def automatic_rollback_sensor(
    context: dg.SensorEvaluationContext, deployment: DeploymentResource
) -> dg.SensorResult | dg.SkipReason:
    d = deployment.open()
    if d.settings.rollback_automatic == "off":
        return dg.SkipReason("PMMDS_ROLLBACK_AUTOMATIC is off.")
    seen = msgspec.json.decode(context.cursor, type=WatchedTotals) if context.cursor else None
    found = watch(d, seen, datetime.now(UTC))
    cursor = msgspec.json.encode(found.totals).decode() if found.totals else None
    if found.decision is None or found.verdict is None:
        return dg.SensorResult(skip_reason="The version in production did not come by a promotion.", cursor=cursor)
    if found.verdict.verdict != ROLL_BACK:
        words = "; ".join((found.verdict.verdict, *found.verdict.reasons))
        return dg.SensorResult(skip_reason=f"v{found.decision.challenger_version}: {words}.", cursor=cursor)
    try:
        target = previous(d, d.decisions.pointer())
    except UsageError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=cursor)
    return dg.SensorResult(run_requests=[_request(found.decision, target, found.verdict.reasons)], cursor=cursor)


def _request(decision: Decision, target: str, reasons: tuple[str, ...]) -> dg.RunRequest:
    config = RollbackConfig(
        to=target,
        by=AUTOMATIC_ROLLBACK,
        reason="; ".join(reasons),
        instead_of=decision.challenger_version,
    )
    # One try a promotion: what a failed run leaves is for a person.
    return dg.RunRequest(
        run_key=f"rollback:{decision.decision_id}",
        run_config=dg.RunConfig(ops={"roll_back_production": config}),
    )


def production_event(d: Deployment, decision: Decision) -> dg.AssetMaterialization:
    """What production_model's page shows when its version was changed outside of the asset."""
    version = d.production_version()
    metadata: dict[str, Any] = production_metadata(d, version, decision, moved=True)
    return dg.AssetMaterialization(
        PRODUCTION_MODEL,
        description=decision.promotion_reason,
        metadata=metadata,
        tags={"dagster/data_version": f"v{version.version}-{version.digest[:12]}"},
    )
