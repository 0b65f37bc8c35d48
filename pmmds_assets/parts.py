"""The parts of the loop that a Dagster project can choose, with the assets and jobs of each part.

Not here: names in the project (names.py), building the definitions (loop_definitions.py).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import dagster as dg

from pmmds_core.config.toml_paths import nearest
from pmmds_core.errors import SettingError

_TRAINED = (
    "reference_data",
    "labelled_predictions",
    "training_data",
    "trained_model",
    "reference_profile",
    "model_evaluation",
    "promotion_decision",
    "production_model",
)


@dataclass(frozen=True)
class Part:
    """A part of the loop, with the names of its assets and the plain names of its jobs.

    `needs` names a required part.
    """

    assets: tuple[str, ...]
    jobs: tuple[str, ...]
    needs: str = ""


PARTS: Mapping[str, Part] = {
    "training": Part(_TRAINED, ("train_job", "reconcile_job")),
    "retraining": Part(_TRAINED, ("retrain_job",), needs="training"),
    "monitoring": Part(("feature_histograms", "drift_report"), ("monitor_job",)),
    "performance": Part(("performance_report", "shadow_report"), ("performance_job",)),
    "archive": Part(("prediction_archive", "retention"), ("archive_job",)),
    "rollback": Part((), ("rollback_job",)),
}


def check_parts(chosen: Collection[str]) -> None:
    """Check the names of the chosen parts.

    Raises:
        SettingError: `chosen` is empty, names an unknown part, or lacks a part that another part needs.
    """
    if not chosen:
        raise SettingError("parts is empty.", next_step=f"Choose from {', '.join(PARTS)}.")
    for name in chosen:
        if name not in PARTS:
            near = nearest(name, PARTS)
            raise SettingError(
                f"The loop has no part {name!r}.",
                next_step=f"Did you mean {near}?" if near else f"The parts are {', '.join(PARTS)}.",
            )
        if (needed := PARTS[name].needs) and needed not in chosen:
            raise SettingError(f"The part {name} needs the part {needed}.", next_step=f"Add {needed} to parts.")


def assets_of(chosen: Collection[str]) -> dict[str, dg.AssetsDefinition]:
    """Return the chosen parts' assets, indexed by name. The modules of other parts are not imported."""
    loaders = {"monitoring": _monitoring, "performance": _performance, "archive": _archive}
    assets = _training() if "training" in chosen else {}
    for name, load in loaders.items():
        assets |= load() if name in chosen else {}
    return assets


def _training() -> dict[str, dg.AssetsDefinition]:
    from pmmds_assets.assets.data import labelled_predictions, reference_data
    from pmmds_assets.assets.evaluation import model_evaluation
    from pmmds_assets.assets.model import reference_profile, trained_model
    from pmmds_assets.assets.promotion import production_model, promotion_decision
    from pmmds_assets.assets.training_data import training_data

    assets = (
        reference_data,
        labelled_predictions,
        training_data,
        trained_model,
        reference_profile,
        model_evaluation,
        promotion_decision,
        production_model,
    )
    return dict(zip(_TRAINED, assets, strict=True))


def _monitoring() -> dict[str, dg.AssetsDefinition]:
    from pmmds_assets.assets.monitoring import drift_report, feature_histograms

    return {"feature_histograms": feature_histograms, "drift_report": drift_report}


def _performance() -> dict[str, dg.AssetsDefinition]:
    from pmmds_assets.assets.performance import performance_report
    from pmmds_assets.assets.shadow import shadow_report

    return {"performance_report": performance_report, "shadow_report": shadow_report}


def _archive() -> dict[str, dg.AssetsDefinition]:
    from pmmds_assets.assets.archive import prediction_archive
    from pmmds_assets.assets.retention import retention

    return {"prediction_archive": prediction_archive, "retention": retention}
