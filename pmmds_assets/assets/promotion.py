"""Assets for the promotion decision and the model in production.

Not here: the policy (pmmds_core.policies.promotion), moving the alias (pmmds_core.workflows.promotion).
"""

from typing import Any

import dagster as dg

from pmmds_assets.assets.evaluation import model_evaluation
from pmmds_assets.charts import bar_chart, table
from pmmds_assets.check_results import check_result
from pmmds_assets.console_links import console_metadata
from pmmds_assets.groups import OWNERS, PROMOTION
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.results import Materialized
from pmmds_core.deployment import Deployment
from pmmds_core.errors import EvaluationError, NoModelError
from pmmds_core.evaluation.comparison import ModelEvaluation
from pmmds_core.policies.decision import PENDING_APPROVAL, Decision
from pmmds_core.policies.events import decision_page, version_page
from pmmds_core.policies.promotion import judge
from pmmds_core.stores.artifacts.model_registry import RegisteredVersion
from pmmds_core.workflows.champion import champion_of
from pmmds_core.workflows.promotion import put_into_production, reconcile, record_external_alias_change
from pmmds_core.workflows.promotion_outcome import record_outcome
from pmmds_core.workflows.unseen_rows import require_unseen

BEATS_CHECK, ALIAS_CHECK = "challenger_beats_champion", "alias_agrees_with_decision"


@dg.asset(
    group_name=PROMOTION,
    owners=OWNERS,
    kinds={"sql"},
    deps=[model_evaluation],
    check_specs=[
        # The check does not block, because holding a challenger is a valid outcome and not a failed run.
        dg.AssetCheckSpec(BEATS_CHECK, asset="promotion_decision", description="Every blocking criterion is met")
    ],
)
def promotion_decision(context: dg.AssetExecutionContext, deployment: DeploymentResource) -> Materialized:
    """One decision record (a row and a JSON object) per evaluation, promoted or not, with the reason."""
    d = deployment.open()
    record_external_alias_change(d.decisions, d.registry)
    evaluation, holdout_digest = d.decisions.latest_with_holdout(run_id=context.run.run_id)
    _require_unseen(d, evaluation, holdout_digest, context.run.run_id)
    judgment = judge(evaluation, d.promotion_policy)
    needs_approval = d.settings.promotion_approval == "manual"
    decision = d.decisions.save_judgment(
        judgment, evaluation, context.run.run_id, needs_approval=needs_approval, instead_of=_claimed(d)
    )
    record_outcome(d, decision)
    context.log.info("%s %s", decision.promotion_reason, decision.status)
    criteria = [
        {
            "criterion": c.name,
            "value": c.value if isinstance(c.value, str) else f"{c.value:.4f}" if c.value is not None else "–",
            "threshold": c.threshold,
            "verdict": c.verdict,
            "decides": c.blocking,
            "in words": c.sentence,
        }
        for c in judgment.criteria
    ]
    return dg.MaterializeResult(
        data_version=dg.DataVersion(decision.decision_id),
        metadata={
            "promoted": judgment.promoted,
            "promotion_reason": judgment.promotion_reason,
            "state": decision.status,
            "challenger_version": evaluation.challenger_version,
            "champion_version": evaluation.champion_version or "none",
            "criteria": table(criteria),
            "decision": dg.MetadataValue.json(decision.to_document()),
            **console_metadata(d, decision_page(decision.decision_id)),
            "chart": bar_chart("Criteria met", {c.name: float(c.passed) for c in judgment.criteria}),
        },
        check_results=[
            check_result(BEATS_CHECK, judgment.promoted, {"promotion_reason": judgment.promotion_reason}, criteria)
        ],
    )


def _require_unseen(deployment: Deployment, evaluation: ModelEvaluation, holdout_digest: str, run_id: str) -> None:
    """Check again that neither model was trained on holdout rows, because the evaluation may be from an earlier run.

    Raises:
        EvaluationError: a model was trained on holdout rows, or the overlap cannot be checked.
    """
    holdout = deployment.datasets.of_digest("holdout", holdout_digest, run_id=run_id)
    if holdout is None:
        raise EvaluationError(
            f"The holdout data set used to evaluate v{evaluation.challenger_version} is not recorded.",
            next_step="No decision was made. Run `pmmds train`.",
        )
    registered = {v.version: v for v in deployment.registry.versions(deployment.model_name)}
    challenger = registered.get(evaluation.challenger_version)
    if challenger is not None:
        require_unseen(deployment, holdout, challenger, registered.get(evaluation.champion_version or ""))


def _claimed(deployment: Deployment) -> str | None:
    """Return the version to which the alias was moved in MLflow if the service does not serve it.

    A promotion replaces this version.
    """
    pointer, champion = deployment.decisions.pointer(), champion_of(deployment)
    is_other = pointer is not None and (champion is None or champion.version != pointer.version)
    return pointer.version if pointer is not None and is_other else None


@dg.asset(
    group_name=PROMOTION,
    owners=OWNERS,
    kinds={"mlflow"},
    deps=[promotion_decision],
    check_specs=[
        dg.AssetCheckSpec(
            ALIAS_CHECK,
            asset="production_model",
            description="MLflow's alias points to the version that was decided on",
        )
    ],
)
def production_model(context: dg.AssetExecutionContext, deployment: DeploymentResource) -> Materialized:
    """The version in production.

    Moves the alias if the decision is to promote, and finishes interrupted promotions. No other asset moves the alias
    production.
    """
    d = deployment.open()
    decision, moved = d.decisions.of_run(context.run.run_id), False
    if decision is None:
        decision = _finish_interrupted(d)
    elif decision.promoted and decision.state != PENDING_APPROVAL:
        try:
            moved = put_into_production(decision, d.decisions, d.registry).moved
        finally:
            decision = record_outcome(d, decision)
    _ensure_some_model_serves(d, decision)
    return _production(d, decision, moved=moved)


def _finish_interrupted(deployment: Deployment) -> Decision | None:
    """Finish or undo promotions that a crash or a registry outage interrupted, and return the newest one."""
    finished = [
        record_outcome(deployment, decision) for decision in reconcile(deployment.decisions, deployment.registry)
    ]
    return finished[-1] if finished else None


def _ensure_some_model_serves(deployment: Deployment, decision: Decision | None) -> None:
    """Fail the run with the decision's reason if the first model was held, because no model is in production."""
    if deployment.decisions.pointer() is None and decision is not None and not decision.promoted:
        raise NoModelError(
            f"v{decision.challenger_version} is registered, but no model is in production: {decision.promotion_reason}",
            next_step="Fix the cause given above and run `pmmds train` again.",
        )


def _production(deployment: Deployment, decision: Decision | None, *, moved: bool) -> Materialized:
    pointer = deployment.decisions.pointer()
    if pointer is None and decision is not None and decision.state == PENDING_APPROVAL:
        return _pending_approval(decision)
    version, decided = deployment.production_version(), pointer.version if pointer else "none"
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"v{version.version}-{version.digest[:12]}"),
        metadata=production_metadata(deployment, version, decision, moved=moved),
        check_results=[
            check_result(ALIAS_CHECK, decided == version.version, {"alias": version.version, "decided": decided})
        ],
    )


def _pending_approval(decision: Decision) -> Materialized:
    """Return the result for a first model that is pending approval, while no version is in production."""
    return dg.MaterializeResult(
        data_version=dg.DataVersion("none"),
        metadata={"model_version": "none", "moved": False, "decision": decision.decision_id, "state": decision.status},
        check_results=[check_result(ALIAS_CHECK, True, {"alias": "none", "decided": "none"})],
    )


def production_metadata(
    deployment: Deployment, version: RegisteredVersion, decision: Decision | None, *, moved: bool
) -> dict[str, Any]:
    """Return metadata about the version in production and the decisions that led to it."""
    files = deployment.profiles.files(version.version)
    history = [
        {
            "decided_at": f"{x.decided_at:%Y-%m-%d %H:%M:%S}",
            "kind": x.kind,
            "challenger": f"v{x.challenger_version}" if x.challenger_version else "none",
            "champion": f"v{x.champion_version}" if x.champion_version else "none",
            "promoted": x.promoted,
            "state": x.status,
            "reason": x.promotion_reason,
        }
        for x in deployment.decisions.recent(10)
    ]
    return {
        "model_version": version.version,
        "moved": moved,
        "decision": decision.decision_id if decision else "none",
        **console_metadata(deployment, version_page(version.version)),
        "digest": files.digest,
        "holdout_metrics": table([{"metric": k, "value": v} for k, v in files.manifest.metrics.items()]),
        "decisions": table(history),
        "chart": bar_chart(f"v{version.version} on its holdout", files.manifest.metrics),
    }
