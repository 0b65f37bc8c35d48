"""The model card: what a person should know of a model version, as Markdown.

Add a paragraph here. Keep out: measuring (evaluation/comparison.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pmmds_core.contracts.contract import Contract
from pmmds_core.data.row_identity import BY_CONTENT
from pmmds_core.evaluation.comparison import ModelEvaluation
from pmmds_core.reports.evaluation_text import measure_rows, replay_text, sentence, timing_text, worst_text
from pmmds_core.training.pipelines import TrainedPipeline


@dataclass(frozen=True)
class Provenance:
    """Where the rows came from and how they were checked; becomes tags of the model version.

    `validation`: passed, failed or skipped. `validation_folder`: its results as JSON and HTML. `training_mix`: which
    rows were trained on and which not, in words; empty where that is not recorded. `row_identity`: what names a row.
    """

    training_digest: str
    data_source: str
    validation: str
    validation_folder: Path
    holdout_kind: str
    run_id: str
    training_mix: str = ""
    row_identity: str = BY_CONTENT


def origin(provenance: Provenance) -> dict[str, str]:
    """Where a version comes from, as its bundle's manifest and its tags say it."""
    return {
        "training_digest": provenance.training_digest,
        "data_source": provenance.data_source,
        "validation": provenance.validation,
        "holdout": provenance.holdout_kind,
        "dagster_run_id": provenance.run_id,
        **({"training_mix": provenance.training_mix} if provenance.training_mix else {}),
        **({"row_identity": provenance.row_identity} if provenance.row_identity != BY_CONTENT else {}),
    }


def model_card(
    contract: Contract, trained: TrainedPipeline, metrics: Mapping[str, float], n_holdout: int, provenance: Provenance
) -> str:
    """What a person should know of the model, as Markdown."""
    candidates = "\n".join(
        f"| {s.name}{' (chosen)' if s.name == trained.name else ''} | {s.roc_auc:.4f} | {s.roc_auc_deviation:.4f} |"
        for s in trained.scores
    )
    measured = "\n".join(f"| {name} | {value:.4f} |" for name, value in metrics.items())
    mix = f"\n- Of these {provenance.training_mix}." if provenance.training_mix else ""
    return f"""# {contract.model_name}

{contract.description}

- Estimator: {trained.name}, chosen among {len(trained.scores)} by cross-validated {contract.primary_metric}.
- Trained on {trained.n_rows:,} rows of {provenance.data_source}.{mix}
- Validation of the reference data: {provenance.validation}.
- Judged on {n_holdout:,} held-out {provenance.holdout_kind} rows that it was not trained on.

| candidate | ROC-AUC (mean of folds) | deviation |
|---|---|---|
{candidates}

| on the holdout | |
|---|---|
{measured}

It answers with P({contract.label.name} = {contract.label.positive}) for one row of {len(contract.features)} features.
Rows outside the contract are refused before they reach it.
"""


def evaluated_card(card: str, evaluation: ModelEvaluation) -> str:
    """The card with what was measured beside the champion; the bundle's own card is as old as the model."""
    rows = "\n".join(f"| {r['measure']} | {r['challenger']} | {r['champion']} |" for r in measure_rows(evaluation))
    return f"""{card.rstrip()}

## Evaluation

{sentence(evaluation)}

| measure (95 % interval) | v{evaluation.challenger_version} | {_champion(evaluation)} |
|---|---|---|
{rows}

- {worst_text(evaluation)}
- {timing_text(evaluation)}
- {replay_text(evaluation)}
"""


def _champion(evaluation: ModelEvaluation) -> str:
    return "no champion" if evaluation.champion_version is None else f"champion v{evaluation.champion_version}"
