"""serve, up, down, status, logs: the processes of one machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.output.console import JsonOption, print_json, print_table, say
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_core.errors import ServiceError, UsageError
from pmmds_core.runtime.processes import is_alive

if TYPE_CHECKING:
    from pmmds_cli.processes.definitions import Process
    from pmmds_cli.processes.supervisor import ProcessState, Supervisor
    from pmmds_core.config.settings import Settings

# The supervisor stops one process after the other, and each may take 20 seconds.
START_SECONDS, STOP_SECONDS = 180.0, 100.0


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: PMMDS_HTTP_PORT=8080 pmmds serve")(serve)
    app.command(epilog="Example: pmmds up")(up)
    app.command(epilog="Example: pmmds down")(down)
    app.command(epilog="Example: pmmds status --json")(status)
    app.command(epilog="Example: pmmds logs serving --follow")(logs)


def serve() -> None:
    """The service alone, in the foreground."""
    from pmmds_core.config.settings import load_settings
    from pmmds_serving.launch import check_before_serving, serve_command
    from pmmds_serving.process.home_lock import take_home

    settings = load_settings()
    lock = take_home(settings)
    check_before_serving(settings)
    argv, variables = serve_command(settings)
    say(f"Serving on http://{settings.http_host}:{settings.http_port} - Ctrl-C stops.")
    with lock:  # kept by the server that this process becomes
        os.execvpe(argv[0], argv, {**os.environ, **settings.to_environment(), **variables})


def up(
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay in the foreground, as a container's first process does.")
    ] = False,
) -> None:
    """Serving, Dagster (web server and daemon) and the MLflow server, under a supervisor that restarts them."""
    from pmmds_core.config.settings import load_settings

    processes = start(load_settings(), foreground=foreground)
    for process in processes:
        if process.page:
            print(f"{process.name:18} {process.page}")
    print("`pmmds status` shows them, `pmmds logs` what they print, `pmmds down` stops them.")


def start(settings: Settings, *, foreground: bool = False) -> Sequence[Process]:
    """Start every process and wait until all are ready; in the foreground this process becomes the supervisor.

    Raises:
        AlreadyRunningError, PortTakenError, StoreError, ContractError: nothing was started.
        ServiceError, PortTakenError: a process did not become ready; the others are up.
    """
    from pmmds_cli.processes.supervisor import Supervisor

    supervisor = Supervisor(settings)
    with supervisor.starting():
        processes, environment = _prepared(settings)
        if foreground:
            supervisor.write_configuration(processes)
            argv = supervisor.command(foreground=True)
            os.execvpe(argv[0], argv, environment)
        supervisor.start(processes, environment)
        wait_until_ready(supervisor, processes)
    return processes


def _prepared(settings: Settings) -> tuple[Sequence[Process], dict[str, str]]:
    """Check everything that can be wrong before the first process starts."""
    from pmmds_cli.processes.definitions import check_ports, child_environment, local_processes
    from pmmds_core.deployment import Deployment
    from pmmds_core.stores.database.reachability import check_dagster_database, check_mlflow_database

    deployment = Deployment(settings)
    processes = local_processes(settings)
    check_ports(processes)
    deployment.prepare()
    if not settings.admin_token:
        _make_token(settings)
    check_dagster_database(settings)
    check_mlflow_database(settings)
    if not settings.has_tracking_server:
        say("Preparing the model registry …")
        deployment.registry.experiment_id(deployment.model_name)
    return processes, child_environment(settings, processes)


def _make_token(settings: Settings) -> None:
    """The token that the service and the client commands of this home read. Raises HomeNotWritableError."""
    from pmmds_core.config.admin_token import ensure_token
    from pmmds_core.errors import HomeNotWritableError

    try:
        file = ensure_token(settings.home_path)
    except OSError as error:
        raise HomeNotWritableError(
            f"The admin token cannot be written into {settings.home_path}: {error.strerror}.",
            next_step="Point PMMDS_HOME at a folder that can be written.",
        ) from None
    say(f"Guarded endpoints want the token in {file}; `pmmds` commands use it.")


def wait_until_ready(supervisor: Supervisor, processes: Sequence[Process]) -> None:
    """Raises ServiceError with the last words of a process that did not become ready, PortTakenError."""
    deadline = time.monotonic() + START_SECONDS
    for process in processes:
        say(f"  … {process.name}")
        while not _is_ready(process, found := _state(supervisor, process)):
            _raise_if_hopeless(process, found)
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"{process.name} was not ready after {START_SECONDS:.0f} seconds.",
                    next_step=f"`pmmds logs {process.name}` shows what it printed; `pmmds down` stops the others.",
                )
            time.sleep(0.2)


def _state(supervisor: Supervisor, process: Process) -> ProcessState | None:
    return next((s for s in supervisor.states() if s.name == process.name), None)


def _is_ready(process: Process, found: ProcessState | None) -> bool:
    """An answer counts only from the process itself: somebody else may have taken its port while it was starting."""
    from pmmds_cli.processes.ports import listens

    if found is None or not found.pid:
        return False
    if process.url:
        return listens(found.pid, process.port) and answers(process.url)
    return found.state == "RUNNING"


def _raise_if_hopeless(process: Process, found: ProcessState | None) -> None:
    from pmmds_cli.processes.definitions import grpc_port_taken, port_taken
    from pmmds_cli.processes.ports import is_free, listens

    if found is None:
        return
    if process.port and not is_free(process.host, process.port) and not listens(found.pid, process.port):
        raise port_taken(process)
    # Asked only after it died: a worker that has bound its port and does not listen yet looks the same.
    if process.grpc_port and found.state in {"BACKOFF", "FATAL"} and not is_free(process.host, process.grpc_port):
        raise grpc_port_taken(process)
    if found.state == "FATAL":
        raise ServiceError(
            f"{process.name} did not stay up. Its last words: {last_words(found.log)}",
            next_step=f"`pmmds logs {process.name}` shows all; `pmmds down` stops the others.",
        )


def answers(url: str) -> bool:
    """Whether a GET is answered with 2xx within a second."""
    import httpx

    try:
        return httpx.get(url, timeout=1.0, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def last_words(log: Path, n_lines: int = 3) -> str:
    lines = [line for line in _tail(log, 40) if line.strip()]
    return " / ".join(lines[-n_lines:]) or "nothing"


def down() -> None:
    """Stop what `pmmds up` started. Requests under way are finished, the spool is flushed."""
    from pmmds_core.config.settings import load_settings

    print("Stopped." if stop(load_settings()) else "Nothing is running here.")


def stop(settings: Settings) -> bool:
    """Stop every process and wait for their end; False when none was running."""
    from pmmds_cli.processes.supervisor import Supervisor

    supervisor = Supervisor(settings)
    pid = supervisor.pid()
    if pid is None:
        return False
    supervisor.shutdown()
    _wait(lambda: not supervisor.is_running() and not is_alive(pid), STOP_SECONDS, "The processes did not stop")
    return True


def _wait(is_done: Callable[[], bool], seconds: float, complaint: str) -> None:
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            raise ServiceError(f"{complaint} within {seconds:.0f} seconds.", next_step="`pmmds status` shows which.")
        time.sleep(0.1)


def status(json: JsonOption = False) -> None:
    """Which processes run, since when, where. Exit code 1 when one should run and does not."""
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
        print_table(rows, empty="Nothing is running here. `pmmds up` starts it.")
    if any(s.state != "RUNNING" for s in states):
        raise typer.Exit(ExitCode.FAILURE)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def logs(
    name: Annotated[str, typer.Argument(help="A process's name; all when left out.")] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 40,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is printed from now.")] = False,
) -> None:
    """What the processes print."""
    from pmmds_core.config.settings import load_settings

    folder = load_settings().home_path / "logs"
    found = {p.stem: p for p in sorted(folder.glob("*.log"))}
    if not found:
        print("There are no logs yet. `pmmds up` makes some.")
        return
    if name and name not in found:
        raise UsageError(f"There is no log of {name!r}.", next_step=f"There are {', '.join(found)}.")
    chosen = {name: found[name]} if name else found
    for label, path in chosen.items():
        for line in _tail(path, lines):
            print(line if name else f"{label:18} | {line}")
    if follow:
        _follow(chosen, with_names=not name)


def _tail(path: Path, n_lines: int) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[-n_lines:]
    except OSError:
        return []


def _follow(paths: dict[str, Path], *, with_names: bool) -> None:
    files = {label: path.open(encoding="utf-8", errors="replace") for label, path in paths.items()}
    for file in files.values():
        file.seek(0, os.SEEK_END)
    while True:
        for label, file in files.items():
            for line in file:
                print(f"{label:18} | {line}" if with_names else line, end="", flush=True)
        time.sleep(0.3)
