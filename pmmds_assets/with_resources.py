"""Adds resources and the executor to assets and jobs, for the code location and for a single job.

Not here: selecting the assets and jobs (definitions.py, single_job.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dagster as dg

from pmmds_assets.executors import step_executor
from pmmds_assets.resources import DeploymentResource, mlflow_run
from pmmds_assets.training_runs import one_training_at_a_time
from pmmds_core.config.settings import Settings, load_settings


def with_resources(
    assets: Sequence[dg.AssetsDefinition | dg.AssetSpec],
    jobs: Sequence[Any],
    *,
    schedules: Sequence[dg.ScheduleDefinition] = (),
    sensors: Sequence[dg.SensorDefinition] = (),
    deployment: DeploymentResource | None = None,
    settings: Settings | None = None,
) -> dg.Definitions:
    """Return Dagster definitions.

    Args:
        assets: asset definitions and specs.
        jobs: job definitions that consist of assets or ops.
        schedules: the schedules of these jobs.
        sensors: the sensors of these jobs.
        deployment: a deployment that replaces the environment's deployment in tests.
        settings: the settings that determine the executor. None reads them from the environment.

    Raises:
        SettingError: a variable is invalid, or the executor's library is not installed.
    """
    resource = deployment or DeploymentResource()
    return dg.Definitions(
        assets=assets,
        jobs=jobs,
        schedules=schedules,
        sensors=sensors,
        resources={"deployment": resource, "mlflow_run": mlflow_run},
        executor=one_training_at_a_time(step_executor(settings or load_settings()), resource.open),
    )
