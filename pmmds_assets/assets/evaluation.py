"""The asset that compares challenger and champion.

The result is in Dagster, on an HTML page and in the model card. Not here: the promotion decision (promotion.py).
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from pmmds_assets.assets.model import FILES_DIGEST, require_challenger, trained_model
from pmmds_assets.assets.training_data import training_data
from pmmds_assets.charts import reliability_chart, table
from pmmds_assets.groups import OWNERS, TRAINING
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.results import Materialized
from pmmds_core.deployment import Deployment
from pmmds_core.errors import ArtifactCorruptError
from pmmds_core.evaluation.comparison import CandidateModel, ModelEvaluation, evaluate
from pmmds_core.evaluation.holdout_checks import check_holdout
from pmmds_core.evaluation.replay import HOURS, MAX_ROWS
from pmmds_core.evaluation.segments import segments_of
from pmmds_core.models.bundle import CARD
from pmmds_core.models.scorer_compiler import rows_of
from pmmds_core.reports.evaluation_page import by_loss, render_evaluation
from pmmds_core.reports.evaluation_text import measure_rows, replay_text, sentence, timing_text, worst_text
from pmmds_core.reports.shadow_text import shadow_text, to_document
from pmmds_core.stores.artifacts.datasets import Dataset
from pmmds_core.stores.artifacts.model_registry import RegisteredVersion
from pmmds_core.training.model_card import evaluated_card
from pmmds_core.workflows.champion import champion_of
from pmmds_core.workflows.report_files import keep_with_model, write_report
from pmmds_core.workflows.unseen_rows import require_unseen

FOLDER = "evaluation"


@dg.asset(
    group_name=TRAINING,
    owners=OWNERS,
    kinds={"sklearn", "html"},
    deps=[training_data, trained_model],
)
def model_evaluation(context: dg.AssetExecutionContext, deployment: DeploymentResource) -> Materialized:
    """Comparison of champion and challenger on the same holdout rows, in one process: metrics with intervals,
    calibration, segments, latency, and a replay of the last day's traffic.

    Fails with the reason if the holdout cannot be evaluated.
    """
    d = deployment.open()
    holdout = d.datasets.require("holdout", "training_data", run_id=context.run.run_id)
    challenger, champion = require_challenger(d, context.run.run_id), champion_of(d)
    if champion is not None and champion.version == challenger.version:
        champion = None if d.decisions.pointer() is None else champion
    require_unseen(d, holdout, challenger, champion)
    evaluation = _measured(d, holdout, challenger, champion, made_here(context))
    d.decisions.save_evaluation(evaluation, holdout.digest, context.run.run_id)
    d.registry.log_document(challenger.run_id, evaluation.to_document(), "evaluation.json")
    page = _write_page(d, evaluation)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{challenger.digest[:12]}-{holdout.digest[:12]}"),
        metadata={
            "in words": sentence(evaluation),
            **_numbers(evaluation),
            **_tables(evaluation),
            "report": dg.MetadataValue.path(str(page)),
            "mlflow": keep_with_model(d, challenger.version, page, FOLDER),
            "model_card": dg.MetadataValue.md(_keep_card(d, challenger, evaluation)),
            "chart": reliability_chart(
                "Calibration of the challenger on the holdout, by score decile", evaluation.score_table
            ),
        },
    )


def made_here(context: dg.AssetExecutionContext) -> str | None:
    """Return the digest of the bundle that this run registered, as recorded in Dagster's events, or None."""
    events = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    kept = [e.asset_materialization for e in events if e.asset_materialization is not None]
    digests = [m.metadata[FILES_DIGEST].value for m in kept if FILES_DIGEST in m.metadata]
    return str(digests[-1]) if digests else None


def _measured(
    deployment: Deployment,
    holdout: Dataset,
    challenger: RegisteredVersion,
    champion: RegisteredVersion | None,
    made: str | None,
) -> ModelEvaluation:
    frame = holdout.read()
    check_holdout(frame, deployment.contract)
    rows = rows_of(frame, deployment.contract)
    recent = deployment.prediction_log.recent(MAX_ROWS, since=datetime.now(UTC) - timedelta(hours=HOURS))
    shadowed = deployment.shadow.agreement(challenger.version)
    evaluation = evaluate(
        _candidate(deployment, challenger, made),
        None if champion is None else _candidate(deployment, champion),
        rows,
        frame[deployment.contract.label.name].to_numpy(dtype=np.int64),
        primary_metric=deployment.contract.primary_metric,
        holdout_kind=holdout.details["holdout_kind"],
        segments=segments_of(rows, deployment.contract),
        recent_rows=[r.features for r in recent],
    )
    agreement = None if shadowed is None else to_document(shadowed)
    return replace(
        evaluation, shadow=agreement, challenger_files=deployment.profiles.files(challenger.version).files_digest
    )


def _candidate(deployment: Deployment, version: RegisteredVersion, made: str | None = None) -> CandidateModel:
    """Load the registered version.

    Raises ArtifactCorruptError if the version's files have changed since registration.
    """
    bundle = deployment.profiles.bundle(version.version, made_here=made)
    registered = deployment.registrations.of_version(version.version)
    # A user who can change the files can also change MLflow's tag, but not the digest that Dagster recorded.
    digest = version.digest if registered is None else registered.digest
    if digest and bundle.digest != digest:
        raise ArtifactCorruptError(
            f"The files of v{version.version} have changed since they were registered (digest {bundle.digest[:12]}… "
            f"instead of {digest[:12]}…).",
            next_step="No decision was made. Run `pmmds train`.",
        )
    return CandidateModel(version.version, bundle.scorer, version.is_validated)


def _write_page(deployment: Deployment, evaluation: ModelEvaluation) -> Path:
    now = datetime.now(UTC)
    html = render_evaluation(evaluation, deployment.model_name, now)
    return write_report(deployment, f"evaluation-v{evaluation.challenger_version}", html, now)


def _keep_card(deployment: Deployment, challenger: RegisteredVersion, evaluation: ModelEvaluation) -> str:
    """Log the model card with the evaluation appended. The bundle is not changed."""
    original = deployment.profiles.files(challenger.version).contents[CARD]
    card = evaluated_card(original.decode("utf-8"), evaluation)
    deployment.registry.log_page(challenger.run_id, card.encode(), [f"{FOLDER}/{CARD}"])
    return card


def _numbers(evaluation: ModelEvaluation) -> dict[str, Any]:
    compared = {
        "primary_metric_improvement": evaluation.primary_metric_improvement,
        "latency_ratio": evaluation.latency_ratio,
        "delong_p_value": evaluation.delong_p_value,
        "changed_decisions_share": (evaluation.replay or {}).get("flipped_share"),
        "shadow_changed_decisions_share": (evaluation.shadow or {}).get("changed_share"),
        "score_shift": (evaluation.replay or {}).get("shift"),
    }
    return {
        "challenger_version": evaluation.challenger_version,
        "champion_version": evaluation.champion_version or "none",
        "dagster/row_count": evaluation.n_holdout_rows,
        "holdout_kind": evaluation.holdout_kind,
        "challenger_latency_ms": evaluation.challenger_latency_ms,
        **{name: value for name, value in compared.items() if value is not None},
    }


def _tables(evaluation: ModelEvaluation) -> dict[str, Any]:
    kept = ("feature", "value", "n_rows", "n_positive", "challenger", "champion", "difference", "p_value", "q_value")
    segments = [{name: s[name] for name in kept} for s in by_loss(evaluation.segments or [])]
    return {
        "metrics": table(measure_rows(evaluation)),
        "latency": timing_text(evaluation),
        "replay": replay_text(evaluation),
        "shadow": shadow_text(evaluation.shadow),
        "worst_segment": worst_text(evaluation),
        "segments": table(segments),
        "segments_with_too_few_rows": table(evaluation.small_segments or []),
        "calibration": table(evaluation.score_table),
    }
