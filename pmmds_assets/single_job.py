"""Builds one job with only its own assets, because importing all assets takes a quarter as long as importing Dagster.

Commands run jobs in their own process and use this module. Not here: the code location (definitions.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from pmmds_assets.jobs import all_jobs
from pmmds_assets.with_resources import with_resources

Assets = Sequence[dg.AssetsDefinition | dg.AssetSpec]


def single_job(name: str) -> dg.JobDefinition:
    """Return the job, which is identical to the code location's job.

    Raises:
        KeyError: there is no asset job with this name.
        SettingError: a variable is invalid, or the executor's library is not installed.
    """
    job = {job.name: job for job in all_jobs}[name]
    return with_resources(_assets_of(name), [job]).resolve_job_def(name)


def _assets_of(name: str) -> Assets:
    if name == "monitor_job":
        return _monitoring_assets()
    if name == "train_job":
        return _training_assets()
    from pmmds_assets.definitions import all_assets

    return all_assets


def _monitoring_assets() -> Assets:
    from pmmds_assets.assets.monitoring import drift_report, external_assets, feature_histograms

    return [*external_assets, feature_histograms, drift_report]


def _training_assets() -> Assets:
    from pmmds_assets.assets.data import labelled_predictions, reference_data
    from pmmds_assets.assets.evaluation import model_evaluation
    from pmmds_assets.assets.model import reference_profile, trained_model
    from pmmds_assets.assets.promotion import production_model, promotion_decision
    from pmmds_assets.assets.training_data import training_data

    return [
        reference_data,
        labelled_predictions,
        training_data,
        trained_model,
        reference_profile,
        model_evaluation,
        promotion_decision,
        production_model,
    ]
