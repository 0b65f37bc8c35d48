"""The asset that splits rows into training and holdout.

Not here: splitting (pmmds_core.training.split), the input data (data.py).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
import numpy as np

from pmmds_assets.assets.data import labelled_predictions, reference_data, vars_of
from pmmds_assets.charts import bar_chart, table
from pmmds_assets.check_results import check_result
from pmmds_assets.groups import OWNERS, TRAINING
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.results import Materialized
from pmmds_assets.retraining import Trigger, claim_attempt, record_blocked
from pmmds_core.data.reader import content_digest
from pmmds_core.data.row_identity import (
    BY_CONTENT,
    BY_OCCURRENCE,
    REQUEST_ID,
    ROW_KEY,
    Keys,
    identity_of,
    keys_of,
    with_production_keys,
    with_reference_keys,
)
from pmmds_core.deployment import Deployment
from pmmds_core.errors import DataError
from pmmds_core.policies.retraining import BLOCKED_NO_LABELS
from pmmds_core.runtime.json_logs import get_logger
from pmmds_core.stores.artifacts.datasets import Dataset
from pmmds_core.stores.database.grants import PROMOTER
from pmmds_core.training.mix import PREDICTED_AT, LeftOut, leave_out_old, mix_document, mix_text
from pmmds_core.training.split import (
    LeakageCheck,
    SplitPlan,
    TooFewLabels,
    TrainingData,
    check_leakage,
    split_reference,
    split_with_labels,
)
from pmmds_core.workflows.champion import champion_of
from pmmds_core.workflows.unseen_rows import HOLDOUT_KEYS

if TYPE_CHECKING:
    import pandas as pd

LEAKAGE_CHECK = "holdout_is_unseen"

log = get_logger("pmmds.assets.training_data")


class TrainingDataConfig(dg.Config):
    """The run configuration.

    If there are too few new labels to evaluate a retraining, `block_without_labels: true` ends the run as
    blocked_no_labels. Otherwise, the reference holdout is used.
    """

    block_without_labels: bool = False


@dg.asset(
    group_name=TRAINING,
    owners=OWNERS,
    kinds={"pandas"},
    deps=[reference_data, labelled_predictions],
    check_specs=[
        dg.AssetCheckSpec(
            LEAKAGE_CHECK, asset="training_data", blocking=True, description="No holdout row is a training row"
        )
    ],
    output_required=False,
)
def training_data(
    context: dg.AssetExecutionContext, config: TrainingDataConfig, deployment: DeploymentResource
) -> Iterator[Materialized | dg.AssetCheckResult]:
    """Training rows (reference and older labeled production rows) and holdout rows (the newest labeled rows).

    If there are too few new labels, the seeded reference holdout is used or the retraining is blocked: nothing is
    materialized, downstream assets are skipped, and the outcome is recorded as blocked_no_labels.
    """
    d = deployment.open().require_rights(PROMOTER)  # Otherwise, a model could be registered that cannot be evaluated.
    trigger = Trigger.of_tags(context.run.tags)
    claim_attempt(d, trigger, context.run.run_id)
    reference = d.datasets.require("reference", "reference_data", run_id=context.run.run_id)
    champion = champion_rows(d)
    now, rows = datetime.now(UTC), _reference_rows(d, reference)
    split = _split(d, rows, champion, now, block=config.block_without_labels, run_id=context.run.run_id)
    if isinstance(split, TooFewLabels):
        context.log.warning("blocked_no_labels: %s", split.reason)
        record_blocked(d, trigger, context.run.run_id, split.reason, split.n_new_labels)
        yield _no_holdout(split)
        return
    yield _save(context, d, reference, split, champion, trigger, now)


def _no_holdout(split: TooFewLabels) -> dg.AssetCheckResult:
    """Return a warning instead of a pass, because there is no holdout to check and Dagster requires a result."""
    metadata = {"outcome": BLOCKED_NO_LABELS, "reason": split.reason}
    severity = dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(check_name=LEAKAGE_CHECK, passed=False, severity=severity, metadata=metadata)


def champion_rows(deployment: Deployment) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the digests of the champion's training rows, or an empty set before the first model.

    A version without a decision record may lack these digests. In that case, no rows can be excluded, and a warning is
    logged.
    """
    version = champion_of(deployment)
    none = np.empty(0, dtype=np.int64)
    try:
        return none if version is None else deployment.registry.training_rows(version)
    except DataError as error:
        if version is None or deployment.decisions.recorded_digest(version.version) is not None:
            raise
        log.warning("champion_rows_unknown", model_version=version.version, problem=error.message)
        return none


def _reference_rows(deployment: Deployment, reference: Dataset) -> "pd.DataFrame":
    """Add row keys if a row's content does not identify the row.

    If there is a champion, use the champion's row identity.
    """
    frame, champion = reference.read(), deployment.registry.version_of(deployment.model_name, "production")
    identity = champion.tags.get("row_identity", BY_CONTENT) if champion else identity_of(frame, deployment.contract)
    return with_reference_keys(frame, deployment.contract) if identity == BY_OCCURRENCE else frame


def _split(
    deployment: Deployment, reference: "pd.DataFrame", champion: Any, now: datetime, *, block: bool, run_id: str
) -> TrainingData | TooFewLabels:
    plan = deployment.split_plan
    labeled, too_old = _labeled(deployment, plan, now, run_id, is_keyed=reference.index.name == ROW_KEY)
    if labeled is None:
        split: TrainingData | TooFewLabels = TooFewLabels(
            0, plan.min_labels, f"There are no labeled production rows; {plan.min_labels} are required."
        )
    else:
        split = split_with_labels(reference, labeled, champion, deployment.contract, plan)
    if isinstance(split, TrainingData):
        return replace(split, left_out=(*too_old, *split.left_out))
    reason = "; ".join([split.reason.rstrip("."), *(x.text for x in too_old)]) + "."
    if block:
        return replace(split, reason=reason)
    n_unused = 0 if labeled is None else len(labeled)
    unused = (LeftOut("production", n_unused, f"are too few to evaluate a model ({split.reason.rstrip('.')})"),)
    return replace(
        split_reference(reference, champion, deployment.contract, plan),
        left_out=(*too_old, *(unused if n_unused else ())),
    )


def _labeled(
    deployment: Deployment, plan: SplitPlan, now: datetime, run_id: str, *, is_keyed: bool
) -> tuple["pd.DataFrame | None", tuple[LeftOut, ...]]:
    """Return the labeled rows that are recent enough, or None if there are no labeled rows."""
    dataset = deployment.datasets.latest("labelled", run_id=run_id)
    if dataset is None or not dataset.n_rows:
        return None, ()
    frame = dataset.read()
    if not {PREDICTED_AT, REQUEST_ID} <= set(frame.columns):
        raise DataError(
            f"The labeled data set {dataset.path} has no request ids or timestamps.",
            next_step="Materialize labelled_predictions again.",
        )
    predicted_at = frame[PREDICTED_AT].to_numpy(dtype="datetime64[us]")
    rows = (with_production_keys(frame) if is_keyed else frame).drop(columns=[PREDICTED_AT, REQUEST_ID])
    return leave_out_old(rows, predicted_at, now, plan.mix)


def _save(
    context: dg.AssetExecutionContext,
    deployment: Deployment,
    reference: Dataset,
    split: TrainingData,
    champion: Any,
    trigger: Trigger,
    now: datetime,
) -> Materialized:
    mix = mix_document(
        deployment.split_plan.mix, now, split.n_reference_train, split.n_production_train, split.left_out
    )
    identity = BY_OCCURRENCE if split.train.index.name == ROW_KEY else BY_CONTENT
    train_digest, holdout_digest = content_digest(split.train), content_digest(split.holdout)
    details = {
        "holdout_digest": holdout_digest,
        "holdout_kind": split.holdout_kind,
        "reference_source": reference.source,
        "mix": mix,
        "row_identity": identity,
        **{k: reference.details[k] for k in ("validation", "validation_folder")},
    }
    keep = partial(deployment.datasets.save, source=reference.source, run_id=context.run.run_id, details=details)
    dataset = keep("training", split.train, train_digest)
    keep("holdout", split.holdout, holdout_digest)
    train_keys = keys_of(split.train, deployment.contract.feature_names)
    if identity == BY_OCCURRENCE:
        keep("training_keys", *_keys_frame(train_keys))
        keep(HOLDOUT_KEYS, *_keys_frame(keys_of(split.holdout, deployment.contract.feature_names)))
    leakage = check_leakage(split.holdout, train_keys, champion, deployment.contract)
    parts = {
        "reference training rows": split.n_reference_train,
        "production training rows": split.n_production_train,
        f"{split.holdout_kind} holdout rows": len(split.holdout),
    }
    return dg.MaterializeResult(
        data_version=dg.DataVersion(f"{train_digest[:12]}-{holdout_digest[:12]}"),
        metadata={
            "dagster/row_count": len(split.train),
            "n_holdout_rows": len(split.holdout),
            "holdout_kind": split.holdout_kind,
            "n_new_labels": split.n_new_labels,
            "n_dropped_duplicates": split.n_dropped_duplicates,
            "row_identity": identity,
            "asked_for_by": trigger.trigger_type if trigger.is_retraining else "a training",
            "asked_because": trigger.cause_text or "–",
            "reference_share": mix["reference_share"],
            "mix": mix_text(mix),
            "left_out": table(mix["left_out"] or [{"rows": "none", "n_rows": 0, "reason": "all rows are used"}]),
            "parts": table([{"part": k, "n_rows": v} for k, v in parts.items()]),
            "path": dg.MetadataValue.path(str(dataset.path)),
            "chart": bar_chart("Rows", {k: float(v) for k, v in parts.items()}),
        },
        check_results=[_leakage_result(leakage)],
    )


def _keys_frame(keys: Keys) -> tuple["pd.DataFrame", str]:
    """Return the keys as a data frame, and the digest of the keys."""
    import pandas as pd

    return pd.DataFrame({ROW_KEY: keys}), hashlib.sha256(keys.tobytes()).hexdigest()


def _leakage_result(leakage: LeakageCheck) -> dg.AssetCheckResult:
    return check_result(LEAKAGE_CHECK, leakage.is_clean, vars_of(leakage))
