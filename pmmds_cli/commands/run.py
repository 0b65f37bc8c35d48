"""The `pmmds run` command, which runs one process of `pmmds up` in the foreground, as in a container.

Not here: the processes (processes/definitions.py).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.commands.completion import process_names
from pmmds_core.errors import UsageError

if TYPE_CHECKING:
    from pmmds_cli.processes.definitions import Process
    from pmmds_core.config.settings import Settings


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds run dagster-daemon")(run)


def run(
    name: Annotated[
        str,
        typer.Argument(
            help="serving, console, mlflow, dagster-webserver, dagster-daemon or dagster-code.",
            autocompletion=process_names,
        ),
    ],
    check: Annotated[bool, typer.Option("--check", help="Instead, check the health of the running process.")] = False,
) -> None:
    """Run one process of `pmmds up` in the foreground, for containers."""
    from pmmds_cli.processes.definitions import single_processes
    from pmmds_cli.processes.health_check import check_process
    from pmmds_core.config.settings import load_settings

    settings = load_settings()
    processes = single_processes(settings)
    if name not in processes:
        raise UsageError(f"Unknown process {name!r}.", next_step=f"Choose one of {', '.join(processes)}.")
    if check:
        print(check_process(processes[name], settings))
    else:
        _become(processes[name], settings)


def _become(process: Process, settings: Settings) -> None:
    """Check the databases, then replace this process with exec, so that the new program receives signals."""
    from pmmds_cli.processes.definitions import child_environment
    from pmmds_core.stores.database.reachability import check_dagster_database, check_mlflow_database

    if process.name == "mlflow":
        if not settings.resolved_mlflow_database_url:
            raise UsageError(
                "The MLflow server has no database URL.", next_step="Set PMMDS_MLFLOW_DATABASE_URL for this process."
            )
        check_mlflow_database(settings)
    elif process.name.startswith("dagster"):
        check_dagster_database(settings)
    os.execvpe(process.argv[0], list(process.argv), child_environment(settings, [process]))
