"""The commands `serve`, `up`, `down`, `status` and `logs`, which manage the processes on one machine.

Not here: the processes and the supervisor (processes/).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.commands.completion import log_names
from pmmds_cli.output.console import JsonOption, print_json, print_table, say
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_cli.output.waiting import waiting
from pmmds_core.config.urls import authority, client_host
from pmmds_core.errors import ServiceError, UsageError
from pmmds_core.runtime.processes import is_alive

if TYPE_CHECKING:
    from pmmds_cli.processes.definitions import Process
    from pmmds_cli.processes.supervisor import Supervisor
    from pmmds_core.config.settings import Settings

# The supervisor stops the processes one after another, and each may take 20 seconds.
STOP_SECONDS = 100.0


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: PMMDS_HTTP_PORT=8080 pmmds serve")(serve)
    app.command(epilog="Example: pmmds up")(up)
    app.command(epilog="Example: pmmds down")(down)
    app.command(epilog="Example: pmmds status --json")(status)
    app.command(epilog="Example: pmmds logs serving --follow")(logs)


def serve() -> None:
    """Start only the prediction service, in the foreground."""
    from pmmds_core.config.settings import load_settings
    from pmmds_core.config.urls import http_url
    from pmmds_serving.launch import check_before_serving, serve_command
    from pmmds_serving.process.home_lock import take_home

    settings = load_settings()
    lock = take_home(settings)
    check_before_serving(settings)
    argv, variables = serve_command(settings)
    say(f"Serving on {http_url(settings.http_host, settings.http_port)} - Ctrl-C stops.")
    with lock:  # The server that replaces this process with exec inherits the lock.
        os.execvpe(argv[0], argv, {**os.environ, **settings.to_environment(), **variables})


def up(
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Run in the foreground, as the main process of a container.")
    ] = False,
    no_console: Annotated[bool, typer.Option("--no-console", help="Do not start the console.")] = False,
    train: Annotated[
        bool, typer.Option("--train", help="Train the first model if none is in production, and wait until it serves.")
    ] = False,
) -> None:
    """Start the console, the service, Dagster (web server and daemon) and the MLflow server under a supervisor."""
    from pmmds_core.config.settings import load_settings

    if foreground and train:
        raise UsageError(
            "--train cannot be used with --foreground, which ends only with the processes.",
            next_step="Run `pmmds train` in another terminal or container.",
        )
    settings = load_settings()
    for process in start(settings, foreground=foreground, with_console=not no_console):
        if process.page:
            print(f"{process.name:18} {process.page}{_grpc_address(process)}", flush=True)
    if train:
        from pmmds_cli.commands.first_model import train_first_model

        train_first_model(settings)
    print("Next: `pmmds status`, `pmmds logs`, `pmmds down`.")


def _grpc_address(process: Process) -> str:
    return f"  gRPC {authority(client_host(process.host), process.grpc_port)}" if process.grpc_port else ""


def start(settings: Settings, *, foreground: bool = False, with_console: bool = True) -> Sequence[Process]:
    """Start all processes and wait until they are ready. With `foreground`, the supervisor replaces this process.

    Raises:
        AlreadyRunningError, PortTakenError, StoreError, ContractError: nothing was started.
        ServiceError, PortTakenError: a process did not become ready. The other processes keep running.
    """
    from pmmds_cli.processes.readiness import wait_until_ready
    from pmmds_cli.processes.supervisor import Supervisor

    supervisor = Supervisor(settings)
    with supervisor.starting():
        processes, environment = _prepared(settings, with_console=with_console)
        if foreground:
            supervisor.write_configuration(processes)
            argv = supervisor.command(foreground=True)
            os.execvpe(argv[0], argv, {**environment, **supervisor.variables})
        supervisor.start(processes, environment)
        wait_until_ready(supervisor, processes)
    return processes


def _prepared(settings: Settings, *, with_console: bool) -> tuple[Sequence[Process], dict[str, str]]:
    """Check the contract, ports, databases and registry before the first process starts."""
    from pmmds_cli.processes.definitions import check_ports, child_environment, local_processes
    from pmmds_core.deployment import Deployment
    from pmmds_core.stores.database.reachability import check_dagster_database, check_mlflow_database

    deployment = Deployment(settings)
    processes = local_processes(settings, with_console=with_console)
    check_ports(processes)
    deployment.prepare()
    if not settings.admin_token:
        _make_token(settings)
    if with_console:
        _check_console(settings)
    check_dagster_database(settings)
    check_mlflow_database(settings)
    if not settings.has_tracking_server:
        say("Preparing the model registry …")
        with waiting("the model registry's tables in PMMDS_HOME, which MLflow creates on the first start"):
            deployment.registry.experiment_id(deployment.model_name)
    return processes, child_environment(settings, processes)


def _check_console(settings: Settings) -> None:
    """Raises SettingError if the console would not start with these settings and the token of this home."""
    import msgspec

    from pmmds_console.access import check_access
    from pmmds_core.config.admin_token import read_token

    token = settings.admin_token or read_token(settings.home_path)
    check_access(msgspec.structs.replace(settings, admin_token=token))


def _make_token(settings: Settings) -> None:
    """Create the admin token for the service and the `pmmds` commands.

    Raises HomeNotWritableError if the home is not writable.
    """
    from pmmds_core.config.admin_token import ensure_token
    from pmmds_core.errors import HomeNotWritableError

    try:
        file = ensure_token(settings.home_path)
    except OSError as error:
        raise HomeNotWritableError(
            f"The admin token cannot be written to {settings.home_path}: {error.strerror}.",
            next_step="Set PMMDS_HOME to a writable folder.",
        ) from None
    say(f"Admin endpoints require the token in {file}; `pmmds` commands send it.")


def down() -> None:
    """Stop the processes of `pmmds up`. Open requests are completed and the spool is flushed first."""
    from pmmds_core.config.settings import load_settings

    print("Stopped." if stop(load_settings()) else "Nothing is running.")


def stop(settings: Settings) -> bool:
    """Stop all processes and wait until they have exited. Return False if none was running."""
    from pmmds_cli.processes.supervisor import Supervisor

    supervisor = Supervisor(settings)
    pid = supervisor.pid()
    if pid is None:
        return False
    supervisor.shutdown()
    with waiting(lambda: f"{_running(supervisor)} to stop"):
        wait_until(
            lambda: not supervisor.is_running() and not is_alive(pid), STOP_SECONDS, "The processes did not stop"
        )
    return True


def _running(supervisor: Supervisor) -> str:
    return ", ".join(s.name for s in supervisor.states() if s.pid) or "the supervisor"


def wait_until(
    is_done: Callable[[], bool], seconds: float, problem: str, next_step: str = "See `pmmds status`."
) -> None:
    """Wait until a condition is true. Raises ServiceError with `problem` and `next_step` on timeout."""
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            raise ServiceError(f"{problem} within {seconds:.0f} seconds.", next_step=next_step)
        time.sleep(0.1)


def status(json: JsonOption = False) -> None:
    """Show the state, uptime and address of each process. Exits with code 1 if any process is down."""
    from pmmds_cli.processes.definitions import local_processes
    from pmmds_cli.processes.supervisor import Supervisor
    from pmmds_core.config.settings import load_settings

    settings = load_settings()
    states = Supervisor(settings).states()
    pages = {p.name: p.page for p in local_processes(settings)}
    if json:
        print_json([{**asdict(s), "page": pages.get(s.name, "")} for s in states])
    else:
        rows = [
            {
                "process": s.name,
                "state": s.state.lower(),
                "pid": s.pid or None,
                "up for": _duration(s.uptime_seconds),
                "page": pages.get(s.name, ""),
            }
            for s in states
        ]
        print_table(rows, empty="Nothing is running. Start it with `pmmds up`.")
    if any(s.state != "RUNNING" for s in states):
        raise typer.Exit(ExitCode.FAILURE)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def logs(
    name: Annotated[str, typer.Argument(help="Process name. Default: all.", autocompletion=log_names)] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="Number of last lines.")] = 40,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines.")] = False,
) -> None:
    """Print the logs of the processes."""
    from pmmds_cli.processes.readiness import tail
    from pmmds_core.config.settings import load_settings

    folder = load_settings().home_path / "logs"
    paths = {p.stem: p for p in sorted(folder.glob("*.log"))}
    if not paths:
        print("There are no logs yet. Start the processes with `pmmds up`.")
        return
    if name and name not in paths:
        raise UsageError(f"There is no log for {name!r}.", next_step=f"Choose one of {', '.join(paths)}.")
    chosen = {name: paths[name]} if name else paths
    for label, path in chosen.items():
        for line in tail(path, lines):
            print(line if name else f"{label:18} | {line}")
    if follow:
        _follow(chosen, with_names=not name)


def _follow(paths: dict[str, Path], *, with_names: bool) -> None:
    files = {label: path.open(encoding="utf-8", errors="replace") for label, path in paths.items()}
    for file in files.values():
        file.seek(0, os.SEEK_END)
    while True:
        for label, file in files.items():
            for line in file:
                print(f"{label:18} | {line}" if with_names else line, end="", flush=True)
        time.sleep(0.3)
