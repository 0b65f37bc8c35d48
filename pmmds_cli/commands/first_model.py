"""Trains the first model for `pmmds up --train`, and prints the command that requests a first prediction.

Not here: starting the processes (service.py), later trainings (train.py, retrain.py).
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from pmmds_cli.client.service_client import ServiceClient
from pmmds_cli.commands.job_steps import print_decision, run_dagster_job
from pmmds_cli.commands.service import wait_until
from pmmds_cli.output.console import say
from pmmds_cli.output.waiting import waiting
from pmmds_core.config.find_config import find_config
from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import client_url
from pmmds_core.deployment import Deployment
from pmmds_core.errors import NoModelError
from pmmds_core.stores.database.grants import PROMOTER

LOAD_SECONDS = 180.0


def train_first_model(settings: Settings) -> None:
    """Run train_job unless a version is in production, and wait until the service has loaded the version.

    If the new version waits for approval or was not promoted, only the decision is printed.

    Raises:
        JobFailedError: a step of train_job failed. The processes keep running.
        ServiceError: the service did not load the version.
    """
    from pmmds_core.data import suite_process

    deployment = Deployment(settings)
    version = _production_version(deployment)
    if version is None:
        suite_process.start()
        deployment.require_rights(PROMOTER)
        say("No model is in production, so the first one is trained (train_job)")
        print_decision(run_dagster_job("train_job", deployment), deployment, json=False, fail_on_hold=False)
        version = _production_version(deployment)
    if version is not None:
        _wait_until_loaded(settings, version)
        print_example(settings, version)


def _production_version(deployment: Deployment) -> str | None:
    try:
        return deployment.production_version().version
    except NoModelError:
        return None


def _wait_until_loaded(settings: Settings, version: str) -> None:
    problem, next_step = f"The service did not load v{version}", "Read `pmmds logs serving`."
    with ServiceClient(settings) as client, waiting(f"the service to load v{version}"):
        wait_until(lambda: client.model_version() == version, LOAD_SECONDS, problem, next_step)


def print_example(settings: Settings, version: str) -> None:
    """Print the shell command that sends the project's example request to the service."""
    url = client_url(settings.http_host, settings.http_port, "/api/v1/predict")
    request = _example_request()
    if request is None:
        page = client_url(settings.http_host, settings.http_port, "/docs")
        print(f"The service predicts with v{version}. {page} describes a prediction request.")
        return
    print(f"The service predicts with v{version}. Request a first prediction:")
    print(f"  curl -s {url} \\")
    print(f"    -H 'Content-Type: application/json' -d @{shlex.quote(request)}")


def _example_request() -> str | None:
    """Return the path of the project's example request relative to the working directory, if the file exists."""
    from pmmds_core.contract_inference.project import REQUEST

    config = find_config(None)
    file = Path(REQUEST) if config is None else config.with_name(REQUEST)
    return os.path.relpath(file) if file.is_file() else None
