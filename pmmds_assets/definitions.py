"""The Dagster code location. Loading it reads only PMMDS_DAGSTER_EXECUTOR and opens no connection."""

from __future__ import annotations

import dagster as dg

from pmmds_assets.assets.archive import prediction_archive
from pmmds_assets.assets.data import labelled_predictions, reference_data
from pmmds_assets.assets.evaluation import model_evaluation
from pmmds_assets.assets.model import reference_profile, trained_model
from pmmds_assets.assets.monitoring import drift_report, external_assets, feature_histograms
from pmmds_assets.assets.performance import performance_report
from pmmds_assets.assets.promotion import production_model, promotion_decision
from pmmds_assets.assets.retention import retention
from pmmds_assets.assets.shadow import shadow_report
from pmmds_assets.assets.training_data import training_data
from pmmds_assets.jobs import all_jobs, all_schedules
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.rollback import automatic_rollback_sensor, rollback_job
from pmmds_assets.sensors import all_sensors
from pmmds_assets.with_resources import with_resources
from pmmds_core.config.settings import Settings

all_assets: list[dg.AssetsDefinition | dg.AssetSpec] = [
    *external_assets,
    reference_data,
    labelled_predictions,
    training_data,
    trained_model,
    reference_profile,
    model_evaluation,
    promotion_decision,
    production_model,
    feature_histograms,
    drift_report,
    performance_report,
    shadow_report,
    prediction_archive,
    retention,
]


def location_definitions(
    deployment: DeploymentResource | None = None, settings: Settings | None = None
) -> dg.Definitions:
    """Return all definitions.

    Tests pass another deployment. `settings` determine the executor and default to those of the environment.

    Raises:
        SettingError: a variable is invalid, or the executor's library is not installed.
    """
    return with_resources(
        all_assets,
        [*all_jobs, rollback_job],
        schedules=all_schedules,
        sensors=[*all_sensors, automatic_rollback_sensor],
        deployment=deployment,
        settings=settings,
    )


defs = location_definitions()
