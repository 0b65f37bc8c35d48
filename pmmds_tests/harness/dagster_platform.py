"""A Dagster platform in a temporary folder: definitions, an instance, and the deployment that they use."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from pmmds_assets.definitions import location_definitions
from pmmds_assets.jobs import monitor_request
from pmmds_assets.resources import DeploymentResource
from pmmds_core.config.settings import load_settings
from pmmds_core.deployment import Deployment
from pmmds_core.models.scorer_compiler import rows_of
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_tests.harness.home_copies import copy_home

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def resource_of(environment: Mapping[str, str]) -> DeploymentResource:
    """Return a resource for a deployment with these variables instead of the process's variables.

    The run configuration cannot change the variables.
    """

    class Given(DeploymentResource):
        def open(self) -> Deployment:
            return Deployment(load_settings(environment))

    return Given()


@dataclass
class DagsterPlatform:
    """A Dagster platform. `environment` contains the deployment's PMMDS_* variables."""

    environment: dict[str, str]
    defs: dg.Definitions
    instance: dg.DagsterInstance

    @classmethod
    def build(cls, home: Path, **variables: str) -> DagsterPlatform:
        platform = cls.of_environment({"PMMDS_HOME": str(home), **variables})
        if variables.get("PMMDS_DATABASE_URL"):
            deployment = Deployment(load_settings(platform.environment))
            migrate(open_database(deployment.settings), deployment.contract)
        return platform

    @classmethod
    def of_environment(cls, environment: dict[str, str]) -> DagsterPlatform:
        """Return a platform on an existing database."""
        folder = Path(environment["PMMDS_HOME"]) / "dagster"
        folder.mkdir(parents=True, exist_ok=True)
        resource = resource_of(environment)
        return cls(environment, location_definitions(resource), dg.DagsterInstance.ephemeral(str(folder)))

    @property
    def deployment(self) -> Deployment:
        return Deployment(load_settings(self.environment))

    @property
    def resource(self) -> DeploymentResource:
        return resource_of(self.environment)

    def run(
        self,
        job: str,
        *,
        ops: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
        selection: Sequence[str] | None = None,
        partition_key: str | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run a job in the same way as the command line. A failed run does not raise an error."""
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            run_config={**QUIET, "ops": dict(ops or {})},
            tags=dict(tags or {}),
            asset_selection=[dg.AssetKey(name) for name in selection] if selection else None,
            partition_key=partition_key,
            raise_on_error=False,
        )

    def window_tags(self) -> dict[str, str]:
        """Return the run tags for a monitor_job whose window ends now."""
        deployment = self.deployment
        return dict(monitor_request(deployment, deployment.settings.drift_current_window_hours).tags)

    def tick(self, sensor: Callable[..., Any], cursor: str | None = None) -> Any:
        """Evaluate a sensor once, and return the result."""
        return sensor(
            dg.build_sensor_context(instance=self.instance, cursor=cursor, resources={"deployment": self.resource})
        )

    def wait_for_request(self, sensor: Callable[..., Any], seconds: float = 120) -> dg.RunRequest:
        """Return the sensor's next run request, after waiting for the end of a cool-down."""
        deadline = time.monotonic() + seconds
        while not isinstance(answer := self.tick(sensor), dg.RunRequest):
            assert time.monotonic() < deadline, answer
        return answer

    def log_rows(self, frame: Any, prefix: str, *, with_labels: bool = True) -> None:
        """Log the production model's predictions for these rows, and their labels, in the same way as the service."""
        deployment = self.deployment
        version = deployment.production_version().version
        scorer = deployment.profiles.bundle(version).scorer
        now = datetime.now(UTC)
        records = [
            PredictionRecord(f"{prefix}-{i}", now, deployment.model_name, version, int(p >= 0.5), p, 0.3, tuple(row))
            for i, row in enumerate(rows_of(frame, deployment.contract))
            for p in [scorer.probability(row)]
        ]
        deployment.prediction_log.append(records)
        if with_labels:
            labels = frame[deployment.contract.label.name]
            deployment.ground_truth.add(
                LabelItem(r.request_id, int(y), now) for r, y in zip(records, labels, strict=True)
            )


def copy_of(home: Path, folder: Path, **variables: str) -> DagsterPlatform:
    """Return a platform on an independent copy of `home` in `folder`."""
    copy_home(home, folder)
    return DagsterPlatform.build(folder, **variables)


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """Return the metadata that a run recorded for an asset, as Dagster's values."""
    found = [
        e.step_materialization_data.materialization
        for e in result.get_asset_materialization_events()
        if e.asset_key == dg.AssetKey(asset)
    ]
    return dict(found[-1].metadata)


def data_version(result: dg.ExecuteInProcessResult, asset: str) -> str:
    """Return the data version that a run recorded for an asset."""
    found = [
        e.step_materialization_data.materialization.tags or {}
        for e in result.get_asset_materialization_events()
        if e.asset_key == dg.AssetKey(asset)
    ]
    return found[-1]["dagster/data_version"]


def failed_checks(result: dg.ExecuteInProcessResult) -> set[str]:
    return {c.check_name for c in result.get_asset_check_evaluations() if not c.passed}


def assets_made(result: dg.ExecuteInProcessResult) -> set[str]:
    return {e.asset_key.to_user_string() for e in result.get_asset_materialization_events() if e.asset_key}


def errors_of(result: dg.ExecuteInProcessResult) -> list[str]:
    """Return the errors of a run's failed steps for an assertion message."""
    return [
        e.step_failure_data.error.to_string()
        for e in result.all_events
        if e.is_step_failure and e.step_failure_data.error
    ]
