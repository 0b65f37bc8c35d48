"""Links to Dagster's runs and MLflow's versions.

Not here: links between the console's pages (templates/).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import client_url


@dataclass(frozen=True)
class Links:
    """`dagster`, `mlflow`: addresses of their pages, without a slash at the end."""

    dagster: str
    mlflow: str
    model_name: str

    @classmethod
    def of(cls, settings: Settings, model_name: str) -> Links:
        """The addresses of the settings, or those that the web servers listen on."""
        dagster = settings.console_dagster_url or client_url(settings.dagster_host, settings.dagster_port)
        mlflow = settings.console_mlflow_url or client_url(settings.mlflow_host, settings.mlflow_port)
        return cls(dagster.rstrip("/"), mlflow.rstrip("/"), model_name)

    def run(self, run_id: str) -> Markup:
        """A link to a Dagster run; a dash if there is none."""
        if not run_id:
            return Markup("–")
        return Markup('<a href="{}/runs/{}"><code>{}</code></a>').format(self.dagster, quote(run_id), run_id[:8])

    def version(self, version: str) -> Markup:
        """A link to a registered version in MLflow."""
        address = f"{self.mlflow}/#/models/{quote(self.model_name, safe='')}/versions/{quote(version)}"
        return Markup('<a href="{}">version {} in MLflow</a>').format(address, version)
