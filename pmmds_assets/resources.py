"""The Dagster resources.

Each one creates an object of pmmds_core that the CLI and tests create without Dagster. Not here: behavior (pmmds_core).
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from pmmds_core.config.settings import load_settings
from pmmds_core.deployment import Deployment


class DeploymentResource(dg.ConfigurableResource[Deployment]):
    """A resource that creates the deployment described by this process's PMMDS_* variables.

    The resource has no fields, because fields are run configuration that anyone who launches a run can change.
    """

    def open(self) -> Deployment:
        return Deployment(load_settings())


def deployment_of(given: Mapping[str, str]) -> DeploymentResource:
    """Return a resource for the deployment that `given` and this process's variables describe.

    The process's variables take precedence.

    Args:
        given: the values of PMMDS_* variables, indexed by name. pmmds.toml is read only if PMMDS_CONFIG names the file.
    """

    class Configured(DeploymentResource):
        def open(self) -> Deployment:
            return Deployment(load_settings(variables_over(given)))

    return Configured()


def variables_over(given: Mapping[str, str]) -> dict[str, str]:
    """Return `given`, in which this process's variables replace the values with the same name."""
    return {**given, **{name: value for name, value in os.environ.items() if value}}


class MlflowRun:
    """The MLflow run of one Dagster run, started on first use."""

    def __init__(self, context: dg.InitResourceContext) -> None:
        self._context = context
        self._client: Any = None

    def run_id(self) -> str:
        """Return the id of the MLflow run. Resume the run tagged with this Dagster run's id, or start one.

        Raises:
            RegistryUnavailableError: MLflow does not respond.
        """
        if self._client is None:
            self._client = self._begin()
        return str(self._client.active_run().info.run_id)

    def end(self, status: str) -> None:
        if self._client is not None:
            self._client.end_run(status)

    def _begin(self) -> Any:
        from dagster_mlflow.resources import MlFlow

        deployment = self._context.resources.deployment.open()
        registry = deployment.registry
        # Without this call, MLflow would create the experiment with another artifact folder.
        registry.experiment_id(deployment.model_name)
        config = {
            "experiment_name": deployment.model_name,
            "mlflow_tracking_uri": registry.tracking_uri,
            "extra_tags": {"pmmds/contract": deployment.contract.name},
        }
        make: Any = MlFlow  # The library has no type hints.
        return make(self._context.replace_config(config))


@dg.resource(config_schema={}, required_resource_keys={"deployment"}, description="The MLflow run of this Dagster run")
def mlflow_run(context: dg.InitResourceContext) -> Iterator[MlflowRun]:
    """One MLflow run per Dagster run, tagged with its id: dagster-mlflow's resource, created on first use.

    dagster-mlflow is imported only then, because it imports all of MLflow and would slow down every load of the code
    location. The run is ended here, because dagster-mlflow's hook, which would end it, is not used. See
    docs/decisions/0002-dagster-mlflow.md.
    """
    run = MlflowRun(context)
    try:
        yield run
    except BaseException:
        run.end("FAILED")
        raise
    run.end("FINISHED")
