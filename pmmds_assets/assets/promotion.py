"""The decision and its deed. Judging is pmmds_core.policy, moving is pmmds_core.promotion."""

from typing import Any

import dagster as dg

from pmmds_assets.assets.evaluation import model_evaluation
from pmmds_assets.checks import check_result
from pmmds_assets.groups import OWNERS, PROMOTION
from pmmds_assets.pictures import bar_picture, table
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.results import Materialized
from pmmds_assets.retraining import Trigger, record_held, record_promoted
from pmmds_core.deployment import Deployment
from pmmds_core.errors import NoModelError
from pmmds_core.policy import judge
from pmmds_core.promotion import adopt_moved_alias, put_into_production
from pmmds_core.stores.decisions import Decision

BEATS_CHECK, ALIAS_CHECK = "challenger_beats_champion", "alias_agrees_with_decision"


@dg.asset(
    group_name=PROMOTION,
    owners=OWNERS,
    kinds={"sql"},
    deps=[model_evaluation],
    check_specs=[
        # Not blocking: a challenger that is held is an answer, not a failure of the run.
        dg.AssetCheckSpec(BEATS_CHECK, asset="promotion_decision", description="Every blocking criterion is met")
    ],
)
def promotion_decision(context: dg.AssetExecutionContext, deployment: DeploymentResource) -> Materialized:
    """One row and one JSON object per judgement, promoted or not, with the reason in words."""
    d = deployment.open()
    adopt_moved_alias(d.decisions, d.registry)
    evaluation = d.decisions.latest_evaluation(run_id=context.run.run_id)
    judgement = judge(evaluation, d.promotion_policy)
    decision = d.decisions.save_judgement(judgement, evaluation, context.run.run_id)
    if not judgement.promoted:
        record_held(d, context.run.run_id, judgement, evaluation.challenger_version)
    context.log.info(decision.promotion_reason)
    criteria = [
        {
            "criterion": c.name,
            "value": c.value if isinstance(c.value, str) else f"{c.value:.4f}" if c.value is not None else "–",
            "threshold": c.threshold,
            "verdict": c.verdict,
            "decides": c.blocking,
            "in words": c.sentence,
        }
        for c in judgement.criteria
    ]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(decision.decision_id),
        metadata={
            "promoted": judgement.promoted,
            "promotion_reason": judgement.promotion_reason,
            "challenger_version": evaluation.challenger_version,
            "champion_version": evaluation.champion_version or "none",
            "criteria": table(criteria),
            "decision": dg.MetadataValue.json(decision.to_document()),
            "picture": bar_picture("Criteria met", {c.name: float(c.passed) for c in judgement.criteria}),
        },
        check_results=[
            check_result(BEATS_CHECK, judgement.promoted, {"promotion_reason": judgement.promotion_reason}, criteria)
        ],
    )


@dg.asset(
    group_name=PROMOTION,
    owners=OWNERS,
    kinds={"mlflow"},
    deps=[promotion_decision],
    check_specs=[
        dg.AssetCheckSpec(ALIAS_CHECK, asset="production_model", description="MLflow's alias is where it should be")
    ],
)
def production_model(context: dg.AssetExecutionContext, deployment: DeploymentResource) -> Materialized:
    """The version that serves. Moves the alias when the decision says so; finishes what a crash left unfinished.

    The only place that moves the alias production.
    """
    d = deployment.open()
    decision = d.decisions.of_run(context.run.run_id) or next(iter(d.decisions.unfinished()), None)
    moved = False
    if decision is not None and decision.promoted:
        moved = put_into_production(decision, d.decisions, d.registry).moved
        trigger = Trigger.of_tags(context.run.tags)
        record_promoted(d, trigger, context.run.run_id, decision.challenger_version, decision.promotion_reason)
    _ensure_some_model_serves(d, decision)
    return _production(d, decision, moved=moved)


def _ensure_some_model_serves(d: Deployment, decision: Decision | None) -> None:
    """A first model that was held leaves nothing to show: the run fails, with the decision's reason."""
    if d.decisions.pointer() is None and decision is not None and not decision.promoted:
        raise NoModelError(
            f"v{decision.challenger_version} is registered and no model is in production: {decision.promotion_reason}",
            next_step="Mend what the reason says and run `pmmds train` again.",
        )


def _production(d: Deployment, decision: Decision | None, *, moved: bool) -> Materialized:
    version, pointer = d.production_version(), d.decisions.pointer()
    bundle = d.profiles.bundle(version.version)
    history = [
        {
            "decided_at": f"{x.decided_at:%Y-%m-%d %H:%M:%S}",
            "challenger": f"v{x.challenger_version}",
            "champion": f"v{x.champion_version}" if x.champion_version else "none",
            "promoted": x.promoted,
            "reason": x.promotion_reason,
        }
        for x in d.decisions.recent(10)
    ]
    agrees = pointer is not None and pointer.version == version.version
    metadata: dict[str, Any] = {
        "model_version": version.version,
        "moved": moved,
        "decision": decision.decision_id if decision else "none",
        "digest": bundle.digest,
        "holdout_metrics": table([{"metric": k, "value": v} for k, v in bundle.manifest.metrics.items()]),
        "decisions": table(history),
        "picture": bar_picture(f"v{version.version} on its holdout", bundle.manifest.metrics),
    }
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"v{version.version}-{bundle.digest[:12]}"),
        metadata=metadata,
        check_results=[
            check_result(
                ALIAS_CHECK, agrees, {"alias": version.version, "decided": pointer.version if pointer else "none"}
            )
        ],
    )
