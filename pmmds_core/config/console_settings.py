"""Settings of the console.

Not here: access to the console (access_settings.py), the other settings (settings.py, loop_settings.py), files of
secrets (secret_files.py).
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from pmmds_core.config.access_settings import AccessSettings
from pmmds_core.config.values import Port, PositiveFloat, WebUrl


class ConsoleSettings(AccessSettings, frozen=True, kw_only=True):
    """The console's settings, which form the second part of `Settings`."""

    console_host: Annotated[str, Meta(description="Address of the console")] = "127.0.0.1"
    console_port: Annotated[Port, Meta(description="Port of the console")] = 8010
    console_request_seconds: Annotated[
        PositiveFloat, Meta(description="Timeout in seconds for receiving a request to the console")
    ] = 10.0
    console_url: Annotated[
        WebUrl, Meta(description="Public address of the console for links in messages and Dagster; empty = no links")
    ] = ""
    console_service_url: Annotated[
        WebUrl, Meta(description="URL of the service whose health is shown; empty = the address the service listens on")
    ] = ""
    console_dagster_url: Annotated[
        WebUrl, Meta(description="URL for links to Dagster's pages; empty = the address its web server listens on")
    ] = ""
    console_mlflow_url: Annotated[
        WebUrl, Meta(description="URL for links to MLflow's pages; empty = the address its server listens on")
    ] = ""
