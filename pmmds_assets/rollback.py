"""rollback_job: an earlier version back into production, from the launchpad. The command line does it without a run.

Keep out: which version and why not (pmmds_core.rollback).
"""

from typing import Any

import dagster as dg
from pydantic import Field

from pmmds_assets.assets.promotion import production_metadata
from pmmds_assets.jobs import MAX_RUNTIME, WRITES_MODELS
from pmmds_assets.resources import DeploymentResource
from pmmds_core.decision import Decision
from pmmds_core.deployment import Deployment
from pmmds_core.rollback import roll_back

PRODUCTION_MODEL = "production_model"


class RollbackConfig(dg.Config):
    """What the launchpad asks for; left as it is, the previous champion comes back."""

    to: str = Field(default="", description="Version to put into production; empty: the previous champion")
    by: str = Field(default="Dagster's launchpad", description="Who asks for it")
    reason: str = Field(default="", description="Why, for those who come later")


@dg.op(description="Alias production back to the previous champion or a named version; recorded as a decision.")
def roll_back_production(
    context: dg.OpExecutionContext, config: RollbackConfig, deployment: DeploymentResource
) -> None:
    d = deployment.open()
    decision = roll_back(d, to=config.to, by=config.by, reason=config.reason)
    context.log.info(decision.promotion_reason)
    context.log_event(production_event(d, decision))


@dg.job(
    description="Put the previous champion, or a named version, back into production. See `pmmds rollback`.",
    tags={**MAX_RUNTIME, **WRITES_MODELS},
)
def rollback_job() -> None:
    roll_back_production()


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
