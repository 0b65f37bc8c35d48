"""The `pmmds train` command, which runs train_job in this process."""

from __future__ import annotations

from typing import Annotated

import typer

from pmmds_cli.commands.job_steps import FailOnHold, print_decision, ready_deployment, run_dagster_job
from pmmds_cli.output.console import JsonOption, say
from pmmds_core.stores.database.grants import PROMOTER


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds train --no-validate")(train)


def train(
    no_validate: Annotated[
        bool, typer.Option("--no-validate", help="Skip data validation (for debugging); recorded in the model version.")
    ] = False,
    fail_on_hold: FailOnHold = False,
    json: JsonOption = False,
) -> None:
    """Train a model, evaluate it, and promote it if it beats the champion (train_job)."""
    from pmmds_core.data import suite_process

    if not no_validate:
        suite_process.start()
    deployment = ready_deployment(PROMOTER)
    say(f"Running train_job for {deployment.model_name}")
    ops = {"reference_data": {"config": {"validate_data": not no_validate}}}
    outcome = run_dagster_job("train_job", deployment, ops=ops)
    print_decision(outcome, deployment, json=json, fail_on_hold=fail_on_hold)
