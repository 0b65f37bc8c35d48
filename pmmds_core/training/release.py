"""Builds a model release from training rows: fits and compiles the model, verifies it, and writes the bundle.

Not here: registering it (stores/artifacts/model_registry.py), choosing rows (split.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from pmmds_core.contracts.contract import Contract
from pmmds_core.data.reader import row_digests, to_columns
from pmmds_core.errors import NotCompilableError
from pmmds_core.models.bundle import (
    CALIBRATION,
    CARD,
    GOLDEN,
    PROFILE,
    ROWS,
    SCORER,
    Golden,
    Manifest,
    model_digest,
    write_bundle,
)
from pmmds_core.models.calibration import fit_calibration
from pmmds_core.models.latency import LATENCY_ROWS, compare_scoring_time
from pmmds_core.models.pipeline_scorer import PIPELINE, PipelineScorer, dump_pipeline, wrap_pipeline
from pmmds_core.models.portable_scorer import AnyScorer, Scorer, dump_scorer
from pmmds_core.models.registration import BUNDLE_PATH, VALIDATION_PATH, ModelToRegister
from pmmds_core.models.scorer_compiler import (
    PARITY_TOLERANCE,
    compile_pipeline,
    largest_difference,
    probe_rows,
    rows_of,
    score_rows,
)
from pmmds_core.profiling.reference_profile import ReferenceProfile, fit_profile
from pmmds_core.profiling.reference_rows import fit_reference_rows
from pmmds_core.runtime.plurals import counted
from pmmds_core.statistics.classification import classification_metrics
from pmmds_core.training.code_version import recorded
from pmmds_core.training.model_card import Provenance, model_card, origin
from pmmds_core.training.pipelines import CANDIDATES, Build, TrainedPipeline, any_speed, one_thread, train

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ModelRelease:
    """A trained model with its bundle on disk.

    `parity_difference` is the maximum difference between the pipeline and the scorer.
    """

    trained: TrainedPipeline
    manifest: Manifest
    profile: ReferenceProfile
    digest: str
    folder: Path
    parity_difference: float
    n_parity_rows: int
    training_rows: NDArray[np.int64]

    @property
    def is_portable(self) -> bool:
        return self.parity_difference <= PARITY_TOLERANCE


@dataclass(frozen=True)
class LatencyBudget:
    """The latency limit of a challenger, which is `max_ratio` times the champion's scoring time per row."""

    champion: Scorer
    max_ratio: float

    def allows(self, pipeline: Any, contract: Contract, frame: pd.DataFrame) -> bool:
        """Measure the latency as in model_evaluation, so that training does not choose a model that would be held."""
        rows = rows_of(frame.head(LATENCY_ROWS), contract)
        return compare_scoring_time(scorer_of(pipeline, contract), self.champion, rows).ratio <= self.max_ratio


def scorer_of(pipeline: Any, contract: Contract) -> Scorer:
    """Return the portable scorer of a fitted pipeline, or a pipeline scorer if there is none."""
    try:
        return compile_pipeline(pipeline, contract)
    except NotCompilableError:
        return wrap_pipeline(pipeline, contract)


@one_thread()
def build_release(
    train_frame: pd.DataFrame,
    holdout: pd.DataFrame,
    contract: Contract,
    seed: int,
    folder: Path,
    provenance: Provenance,
    budget: LatencyBudget | None = None,
    candidates: Mapping[str, Build] = CANDIDATES,
) -> ModelRelease:
    """Train on `train_frame`, measure on `holdout`, and write the bundle to the empty `folder`.

    With a `budget`, candidates that are too slow are rejected unless all candidates are.

    Raises:
        TrainingError: there are too few rows.
    """
    is_fast_enough = partial(budget.allows, contract=contract, frame=train_frame) if budget else any_speed
    trained = train(train_frame, contract, seed, is_fast_enough, candidates)
    scorer = scorer_of(trained.pipeline, contract)
    probes = _probes(scorer, contract, seed)
    difference = max(
        largest_difference(trained.pipeline, scorer, frame, contract) for frame in (train_frame, holdout, probes)
    )
    columns, scores = to_columns(train_frame, contract), trained.chosen.out_of_fold
    profile = fit_profile(contract, columns, scores)
    calibration = fit_calibration(scores, train_frame[contract.label.name].to_numpy(dtype=np.int64))
    labels = holdout[contract.label.name].to_numpy(dtype=np.int64)
    metrics = classification_metrics(labels, score_rows(scorer, rows_of(holdout, contract)))
    files = {
        **_scorer_files(scorer),
        GOLDEN: _golden(trained.pipeline, _probes(scorer, contract, seed + 1, n_rows=64), contract),
        PROFILE: profile.to_json(),
        ROWS: fit_reference_rows(profile, columns, scores, seed).to_json(),
        CALIBRATION: calibration.to_json(),
        CARD: model_card(contract, trained, metrics, len(holdout), provenance).encode(),
    }
    details = {**origin(provenance), **recorded(trained.name, seed)}
    head = Manifest(contract.model_name, scorer.kind, contract.digest, contract.feature_names, metrics, {}, details)
    manifest = write_bundle(folder, files, head)
    n_rows = len(train_frame) + len(holdout) + len(probes)
    training_rows = row_digests(train_frame, contract.feature_names)
    return ModelRelease(trained, manifest, profile, model_digest(manifest), folder, difference, n_rows, training_rows)


def _scorer_files(scorer: Scorer) -> dict[str, bytes]:
    if not isinstance(scorer, PipelineScorer):
        return {SCORER: dump_scorer(cast("AnyScorer", scorer))}
    described, pickled = dump_pipeline(scorer)
    return {SCORER: described, PIPELINE: pickled}


def _probes(scorer: Scorer, contract: Contract, seed: int, n_rows: int = 256) -> pd.DataFrame:
    """Return rows for the parity check.

    Custom pipelines get only valid rows, because the service rejects invalid rows.
    """
    return probe_rows(contract, seed, n_rows, only_valid=isinstance(scorer, PipelineScorer))


def _golden(pipeline: Any, frame: pd.DataFrame, contract: Contract) -> bytes:
    """Return golden predictions for rows that are generated from the contract.

    The rows are generated because bundles must not contain customer data.
    """
    probabilities = pipeline.predict_proba(frame)[:, 1]
    golden = Golden(tuple(rows_of(frame, contract)), tuple(float(p) for p in probabilities))
    return msgspec.json.encode(golden)


def to_register(release: ModelRelease, contract: Contract, provenance: Provenance) -> ModelToRegister:
    """Return the model version to register for a release."""
    import pandas as pd

    chosen = release.trained.chosen
    scores = {f"cv_roc_auc_{s.name}": s.roc_auc for s in release.trained.scores}
    holdout = {f"holdout_{name}": value for name, value in release.manifest.metrics.items()}
    validation = provenance.validation if release.is_portable else "failed"
    return ModelToRegister(
        model_name=contract.model_name,
        digest=release.digest,
        pipeline=release.trained.pipeline,
        example=_typed(pd.DataFrame([contract.example()]), contract),
        params=release.trained.params,
        metrics={**holdout, **scores, "cv_roc_auc": chosen.roc_auc, "n_training_rows": float(release.trained.n_rows)},
        tags={
            **{k: str(v) for k, v in release.manifest.details.items()},
            "validation": validation,
            "contract_digest": contract.digest,
            "scorer": release.manifest.scorer_kind if release.is_portable else "differs from the pipeline",
        },
        description=f"{release.trained.name}, {counted(release.trained.n_rows, 'row')} of {provenance.data_source}.",
        artifacts={BUNDLE_PATH: release.folder, VALIDATION_PATH: provenance.validation_folder},
        training_rows=release.training_rows,
    )


def _typed(example: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Return the dtypes for the signature. Numbers are doubles, so that values may be missing."""
    return example.astype({f.name: "float64" if f.is_numeric else "object" for f in contract.features})
