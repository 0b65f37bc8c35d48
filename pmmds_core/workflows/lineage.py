"""Finds the lineage of a prediction: model version, data, validation, decision, retraining and alert.

Missing or unreadable parts become notes in the result. Not here: printing (pmmds_cli).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec

from pmmds_core.deployment import Deployment
from pmmds_core.errors import ArtifactCorruptError, ModelError, ModelNotTrustedError, StoreError, UsageError
from pmmds_core.models.bundle import Bundle, load_bundle
from pmmds_core.models.explanations import explain_row
from pmmds_core.policies.decision import RECORDED, Decision
from pmmds_core.stores.predictions.log import PredictionRecord

Document = dict[str, Any]
# The maximum difference between a logged probability and the probability that the version gives for the row.
_TOLERANCE = 1e-9
# The maximum number of ids in an error message.
_MAX_LISTED = 5
_SERVING_CACHE = "model_cache"


def find_prediction(deployment: Deployment, request_id: str) -> PredictionRecord:
    """Return the record with this prediction id or client request id.

    Raises UsageError if there is no such record, or if there are several.
    """
    log = deployment.prediction_log
    ids = log.ids_named(request_id)
    if not ids:
        raise UsageError(
            f"No prediction with the request id {request_id!r} is logged.",
            next_step="Use the id in the service's response or in the column request_id of prediction_logs.",
        )
    if len(ids) > 1:
        listed = ", ".join(ids[:_MAX_LISTED]) + (", …" if len(ids) > _MAX_LISTED else "")
        raise UsageError(
            f"The client used the request id {request_id!r} for {len(ids)} different rows.",
            next_step=f"Use one of the service's ids: {listed}.",
        )
    return log.find(ids).get(ids[0]) or log.archived_named(ids[0])[0]


def trace(deployment: Deployment, record: PredictionRecord) -> Document:
    """Return the lineage of a logged prediction as one document, in which `notes` has the parts that cannot be read."""
    notes: list[str] = []
    bundle = _bundle(deployment, record.model_version, notes)
    decision = _decision(deployment, record)
    origin = {} if bundle is None else bundle.manifest.details
    run_id = str(origin.get("dagster_run_id") or (decision.run_id if decision else ""))
    training = _training(deployment, str(origin.get("training_digest", "")), run_id, notes)
    retraining = deployment.retrainings.of_run(run_id) if run_id else None
    return {
        "request_id": record.request_id,
        "client_request_id": record.client_request_id,
        "prediction": _prediction(deployment, record),
        "label": deployment.ground_truth.label_of(record.request_id),
        "label_history": [asdict(x) for x in deployment.ground_truth.history(record.request_id)],
        "model": _model(record, bundle),
        "training_data": training,
        "validation": _validation(training, origin, notes),
        "decision": None if decision is None else _decision_document(decision),
        "retraining": None if retraining is None else asdict(retraining),
        "alert": None
        if retraining is None or retraining.alert_id is None
        else asdict(deployment.alerts.get(retraining.alert_id)),
        "explanation": _explanation(deployment, record, bundle, notes),
        "notes": notes,
    }


def _prediction(deployment: Deployment, record: PredictionRecord) -> Document:
    features = dict(zip(deployment.contract.feature_names, record.features, strict=True))
    kept = ("predicted_at", "prediction", "probability", "latency_ms")
    return {**{name: getattr(record, name) for name in kept}, "features": features}


def _bundle(deployment: Deployment, version: str, notes: list[str]) -> Bundle | None:
    """Return the bundle from the service's cache, the profile cache or MLflow.

    The local copies are preferred, because they are faster.
    """
    served = deployment.settings.home_path / _SERVING_CACHE / deployment.model_name / version
    try:
        if served.is_dir():
            return load_bundle(served)
    except (ArtifactCorruptError, ModelNotTrustedError) as error:
        notes.append(f"The service's copy was not used: {error.message}")
    try:
        return deployment.profiles.bundle(version)
    except (StoreError, ModelError) as error:
        notes.append(f"The model files of v{version} are not available: {error}")
    return None


def _model(record: PredictionRecord, bundle: Bundle | None) -> Document:
    own: Document = {"name": record.model_name, "version": record.model_version}
    if bundle is None:
        return own
    recorded = ("candidate", "seed", "code_version", "libraries")
    details = {name: bundle.manifest.details.get(name) for name in recorded}
    return {
        **own,
        "digest": bundle.digest,
        "scorer": bundle.manifest.scorer_kind,
        "contract_digest": bundle.manifest.contract_digest,
        **details,
    }


def _decision(deployment: Deployment, record: PredictionRecord) -> Decision | None:
    """Return the decision that had put the version into production by that time.

    A version may be promoted twice.
    """
    moved = [x for x in deployment.decisions.of_version(record.model_version) if x.promoted and x.state == RECORDED]
    earlier = [x for x in moved if x.moved_at is not None and x.moved_at <= record.predicted_at]
    return earlier[0] if earlier else (moved[-1] if moved else None)


def _decision_document(decision: Decision) -> Document:
    """Return the decision's JSON without the full evaluation. The criteria contain the relevant values."""
    document = decision.to_document()
    evaluation = document.pop("evaluation", None)
    if evaluation:
        document["judged_on"] = {name: evaluation.get(name) for name in ("n_holdout_rows", "holdout_kind")}
    return document


def _training(deployment: Deployment, digest: str, run_id: str, notes: list[str]) -> Document | None:
    found = deployment.datasets.of_digest("training", digest, run_id=run_id) if digest else None
    if found is None and run_id:
        found = deployment.datasets.of_run("training", run_id)
    if found is None:
        notes.append("No training data set of this version is recorded.")
        return None
    document = {name: getattr(found, name) for name in ("digest", "n_rows", "source", "created_at", "details")}
    return {**document, "path": str(found.path), "is_kept": found.path.exists()}


def _validation(training: Document | None, origin: Document, notes: list[str]) -> Document | None:
    details = {} if training is None else training["details"]
    result = origin.get("validation") or details.get("validation")
    if result is None:
        return None
    found: Document = {"result": result}
    folder = details.get("validation_folder")
    if folder:
        found |= {"folder": folder, **_schema(Path(folder), notes), **_expectations(Path(folder), notes)}
    return found


def _schema(folder: Path, notes: list[str]) -> Document:
    document = _json(folder / "schema.json", notes)
    return {} if document is None else {"n_rows": document["n_rows"], "n_schema_failures": len(document["failures"])}


def _expectations(folder: Path, notes: list[str]) -> Document:
    path = folder / "expectations.json"
    if not path.exists():
        return {}
    document = _json(path, notes)
    results = [] if document is None else document["results"]
    return {"n_expectations": len(results), "n_expectations_failed": sum(not r["success"] for r in results)}


def _json(path: Path, notes: list[str]) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        notes.append(f"The validation results {path} cannot be read: {error}.")
        return None


def _explanation(
    deployment: Deployment, record: PredictionRecord, bundle: Bundle | None, notes: list[str]
) -> Document | None:
    if bundle is None:
        notes.append("There are no contributions, because the model files are not available.")
        return None
    try:
        explanation = explain_row(bundle.scorer, bundle.profile, record.features, deployment.contract)
    except ModelError as error:
        notes.append(f"No contributions: {error}")
        return None
    if abs(explanation.probability - record.probability) > _TOLERANCE:
        notes.append(
            f"v{record.model_version} scores these features as {explanation.probability:.6f}, but "
            f"{record.probability:.6f} was logged: the request had other features, or the record was changed."
        )
    return asdict(explanation)
