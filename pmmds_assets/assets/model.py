"""Assets that train and register a model and show its reference profile.

Not here: the rows (training_data.py), the comparison with the champion (evaluation.py).
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from pmmds_assets.assets.training_data import training_data
from pmmds_assets.charts import bar_chart, table
from pmmds_assets.check_results import check_result
from pmmds_assets.console_links import console_metadata
from pmmds_assets.groups import MONITORING, OWNERS, TRAINING
from pmmds_assets.resources import DeploymentResource, MlflowRun
from pmmds_assets.results import Materialized
from pmmds_core.data.row_identity import BY_CONTENT, ROW_KEY
from pmmds_core.deployment import Deployment
from pmmds_core.errors import NoModelError
from pmmds_core.models.bundle import MANIFEST, files_digest, profile_of
from pmmds_core.models.scorer_compiler import PARITY_TOLERANCE
from pmmds_core.policies.events import version_page
from pmmds_core.profiling.reference_profile import FeatureProfile
from pmmds_core.stores.artifacts.datasets import Dataset
from pmmds_core.stores.artifacts.model_registry import RegisteredVersion
from pmmds_core.training.custom_candidates import load_candidates
from pmmds_core.training.mix import mix_text
from pmmds_core.training.model_card import Provenance
from pmmds_core.training.release import LatencyBudget, ModelRelease, build_release, to_register
from pmmds_core.workflows.champion import champion_of

# The metadata key of trained_model for the Bundle.files_digest that the run registered.
FILES_DIGEST = "files_digest"
PARITY_CHECK, SCORE_CHECK = "scorer_equals_pipeline", "challenger_ranks_better_than_chance"


@dg.asset(
    group_name=TRAINING,
    owners=OWNERS,
    kinds={"sklearn", "mlflow"},
    deps=[training_data],
    check_specs=[
        dg.AssetCheckSpec(
            PARITY_CHECK,
            asset="trained_model",
            blocking=True,
            description="Scorer and pipeline agree",
        ),
        dg.AssetCheckSpec(SCORE_CHECK, asset="trained_model", description="Holdout ROC-AUC is above 0.5"),
    ],
)
def trained_model(
    context: dg.AssetExecutionContext, deployment: DeploymentResource, mlflow_run: dg.ResourceParam[MlflowRun]
) -> Materialized:
    """The best candidate by cross-validation, registered in MLflow with the alias challenger.

    The preprocessing and the estimator form one scikit-learn pipeline, from which the service's portable scorer is
    compiled.
    """
    d = deployment.open()
    training = d.datasets.require("training", "training_data", run_id=context.run.run_id)
    holdout = d.datasets.require("holdout", "training_data", run_id=context.run.run_id)
    provenance = _provenance(training, context.run.run_id)
    with tempfile.TemporaryDirectory() as folder:
        release = build_release(
            training.read(),
            holdout.read(),
            d.contract,
            d.settings.train_seed,
            Path(folder),
            provenance,
            _budget(d),
            load_candidates(d.settings.train_candidates),
        )
        written = files_digest((Path(folder) / MANIFEST).read_bytes())
        release = _with_row_keys(d, release, training)
        version = d.registry.register(to_register(release, d.contract, provenance), run_id=mlflow_run.run_id())
    d.registrations.save(
        version.version,
        run_id=context.run.run_id,
        digest=release.digest,
        training_digest=training.digest,
        holdout_digest=holdout.digest,
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(release.digest[:16]),
        metadata={
            **_model_metadata(release, version),
            **console_metadata(d, version_page(version.version)),
            FILES_DIGEST: written,
        },
        check_results=[_parity_result(release), _score_result(release)],
    )


def _with_row_keys(deployment: Deployment, release: ModelRelease, training: Dataset) -> ModelRelease:
    """Record the stored keys of the training rows if the rows' content does not identify them."""
    keys = deployment.datasets.of_run("training_keys", training.run_id)
    return release if keys is None else replace(release, training_rows=keys.read()[ROW_KEY].to_numpy(dtype=np.int64))


def _budget(deployment: Deployment) -> LatencyBudget | None:
    """Return the promotion policy's latency limit, or None before the first model, when no limit applies."""
    champion = champion_of(deployment)
    if champion is None:
        return None
    return LatencyBudget(
        deployment.profiles.bundle(champion.version).scorer, deployment.promotion_policy.max_latency_ratio
    )


def _provenance(training: Dataset, run_id: str) -> Provenance:
    details = training.details
    return Provenance(
        training_digest=training.digest,
        data_source=training.source,
        validation=details["validation"],
        validation_folder=Path(details["validation_folder"]),
        holdout_kind=details["holdout_kind"],
        run_id=run_id,
        training_mix=mix_text(details.get("mix", {})),
        row_identity=details.get("row_identity", BY_CONTENT),
    )


def _model_metadata(release: ModelRelease, version: RegisteredVersion) -> dict[str, Any]:
    candidates = [
        {
            "candidate": s.name,
            "roc_auc": s.roc_auc,
            "deviation": s.roc_auc_deviation,
            "chosen": s is release.trained.chosen,
            "too slow": s.name in release.trained.too_slow,
        }
        for s in release.trained.scores
    ]
    return {
        "model_version": version.version,
        "mlflow_run_id": version.run_id,
        "digest": release.digest,
        "dagster/row_count": release.trained.n_rows,
        "candidate": release.trained.name,
        "validation": version.tags["validation"],
        "scorer": release.manifest.scorer_kind,
        "parity_difference": release.parity_difference,
        "candidates": table(candidates),
        "holdout_metrics": table([{"metric": k, "value": v} for k, v in release.manifest.metrics.items()]),
        "files": table([{"file": k, "sha256": v} for k, v in release.manifest.files.items()]),
        "chart": bar_chart(
            "Cross-validated ROC-AUC", {s.name: s.roc_auc for s in release.trained.scores}, unit="ROC-AUC"
        ),
    }


def _parity_result(release: ModelRelease) -> dg.AssetCheckResult:
    metadata = {
        "largest_difference": release.parity_difference,
        "allowed": PARITY_TOLERANCE,
        "n_rows": release.n_parity_rows,
    }
    return check_result(PARITY_CHECK, release.is_portable, metadata)


def _score_result(release: ModelRelease) -> dg.AssetCheckResult:
    auc = release.manifest.metrics["roc_auc"]
    return check_result(SCORE_CHECK, auc > 0.5, {"roc_auc": auc})


@dg.asset(group_name=MONITORING, owners=OWNERS, kinds={"json"}, deps=[training_data, trained_model])
def reference_profile(context: dg.AssetExecutionContext, deployment: DeploymentResource) -> Materialized:
    """Bins and counts of the newest model's training rows and scores, which are the drift reference once that model is
    in production.

    They are read from the model version's bundle and verified.
    """
    d = deployment.open()
    version = require_challenger(d, context.run.run_id)
    profile = profile_of(d.profiles.files(version.version))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(profile.digest[:16]),
        metadata={
            "model_version": version.version,
            "dagster/row_count": profile.n_rows,
            "n_bytes": len(profile.to_json()),
            "bins": table([_profile_row(p) for p in profile.with_score]),
            "chart": bar_chart("Bins per feature", {p.bins.feature: float(p.bins.n_bins) for p in profile.with_score}),
        },
    )


def _profile_row(profile: FeatureProfile) -> dict[str, Any]:
    total = max(sum(profile.counts), 1)
    shares = ", ".join(
        f"{label} {count / total:.0%}"
        for label, count in zip(profile.bins.labels, profile.counts, strict=True)
        if count
    )
    return {"feature": profile.bins.feature, "kind": profile.bins.kind, "bins": shares}


def require_challenger(deployment: Deployment, run_id: str) -> RegisteredVersion:
    """Return the version that this run registered or, if it trained no model, the newest registered version.

    Ignores the alias challenger, which another run or a person may have moved.

    Raises:
        NoModelError: no run has registered a version, or it was deleted from MLflow.
    """
    found = deployment.registrations.of_run(run_id)
    if found is None:
        raise NoModelError(
            "No training of this deployment has registered a model yet.", next_step="Materialize trained_model first."
        )
    return deployment.registry.get_version(deployment.model_name, found.version)
