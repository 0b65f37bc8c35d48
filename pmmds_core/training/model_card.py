"""Writes a version's model card as Markdown. Add paragraphs here. Not here: measuring (evaluation/comparison.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pmmds_core.contracts.contract import Contract
from pmmds_core.data.row_identity import BY_CONTENT
from pmmds_core.evaluation.comparison import ModelEvaluation
from pmmds_core.reports.evaluation_text import measure_rows, replay_text, sentence, timing_text, worst_text
from pmmds_core.runtime.plurals import counted
from pmmds_core.training.pipelines import TrainedPipeline


@dataclass(frozen=True)
class Provenance:
    """The source and the validation of the training rows, which become tags of the model version.

    `validation` is passed, failed or skipped, and `validation_folder` has the results as JSON and HTML. `training_mix`
    is the text of the mix, or empty if the mix was not recorded. `row_identity` says how rows are identified
    (data/row_identity.py).
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
    """Return the provenance as entries for the bundle's manifest and the version's tags."""
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
    """Return the model card as Markdown."""
    candidates = "\n".join(
        f"| {s.name}{' (chosen)' if s.name == trained.name else ''} | {s.roc_auc:.4f} | {s.roc_auc_deviation:.4f} |"
        for s in trained.scores
    )
    measured = "\n".join(f"| {name} | {value:.4f} |" for name, value in metrics.items())
    features = counted(len(contract.features), "feature")
    mix = f"\n- Of these {provenance.training_mix}." if provenance.training_mix else ""
    return f"""# {contract.model_name}

{contract.description}

- Estimator: {trained.name}, chosen from {counted(len(trained.scores), "candidate")} by cross-validated
{contract.primary_metric}.
- Trained on {counted(trained.n_rows, "row")} of {provenance.data_source}.{mix}
- Validation of the reference data: {provenance.validation}.
- Evaluated on {counted(n_holdout, f"held-out {provenance.holdout_kind} row")}.

| candidate | ROC-AUC (mean of folds) | deviation |
|---|---|---|
{candidates}

| on the holdout | |
|---|---|
{measured}

The model returns P({contract.label.name} = {contract.label.positive}) for a row of {features}.
The service rejects rows that violate the contract.
"""


def evaluated_card(card: str, evaluation: ModelEvaluation) -> str:
    """Append the evaluation against the champion to the model card.

    The card in the bundle does not have the evaluation, because the bundle is written before the evaluation.
    """
    rows = "\n".join(f"| {r['measure']} | {r['challenger']} | {r['champion']} |" for r in measure_rows(evaluation))
    return f"""{card.rstrip()}

## Evaluation

{sentence(evaluation)}

| measure (95% interval) | v{evaluation.challenger_version} | {_champion(evaluation)} |
|---|---|---|
{rows}

- {worst_text(evaluation)}
- {timing_text(evaluation)}
- {replay_text(evaluation)}
"""


def _champion(evaluation: ModelEvaluation) -> str:
    return "no champion" if evaluation.champion_version is None else f"champion v{evaluation.champion_version}"
