"""The processes of one machine, with each one's command, address and readiness check.

`pmmds up` starts every process listed here.

Not here: the supervisor (supervisor.py).
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pmmds_cli.processes.ports import is_free
from pmmds_core.config.find_config import NO_FILE, VARIABLE, find_config
from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import client_url
from pmmds_core.errors import PortTakenError

CODE_SERVER_PORT = 4000
_PORT_VARIABLES = {
    "dagster-code": "PMMDS_DAGSTER_CODE_SERVER",
    "console": "PMMDS_CONSOLE_PORT",
    "serving": "PMMDS_HTTP_PORT",
    "mlflow": "PMMDS_MLFLOW_PORT",
    "dagster-webserver": "PMMDS_DAGSTER_PORT",
}


@dataclass(frozen=True)
class Process:
    """A long-running process. It is ready when `url` responds or, without a `url`, when it is running.

    `grpc_health` is the service name for the gRPC health check on `port`.
    """

    name: str
    argv: Sequence[str]
    host: str = ""
    port: int = 0
    url: str = ""
    page: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    grpc_port: int = 0
    grpc_health: str = ""

    @property
    def command(self) -> str:
        return shlex.join(self.argv).replace("%", "%%")  # supervisord expands percent signs.


def local_processes(settings: Settings, *, with_console: bool = True) -> list[Process]:
    """Return the console, the service, Dagster's processes, and the MLflow server unless an external one is set."""
    console = [_console(settings)] if with_console else []
    mlflow = [_mlflow(settings)] if settings.resolved_mlflow_database_url else []
    return [*console, _serving(settings), *mlflow, *_dagster(settings)]


def single_processes(settings: Settings) -> dict[str, Process]:
    """Return the processes that `pmmds run` can start: those of `pmmds up` and Dagster's code server."""
    found = (_console(settings), _serving(settings), _mlflow(settings), *_dagster(settings), _code_server(settings))
    return {p.name: p for p in found}


def child_environment(settings: Settings, processes: Sequence[Process]) -> dict[str, str]:
    """Return the environment of child processes: this process's variables with absolute paths, and Dagster's variables.

    PMMDS_CONFIG is set to the settings file, so that a child reads the same file in any working directory.
    """
    merged = {**os.environ, "PMMDS_HOME": str(settings.home_path), VARIABLE: str(find_config(None) or NO_FILE)}
    if any(p.name.startswith("dagster") for p in processes):
        from pmmds_assets.instance.dagster_home import dagster_variables

        merged.update(dagster_variables(settings))
    for path in ("contract", "data_path"):
        value = getattr(settings, path)
        if value:
            merged[f"PMMDS_{path.upper()}"] = str(Path(value).expanduser().absolute())
    if settings.mlflow_artifact_root:
        merged["PMMDS_MLFLOW_ARTIFACT_ROOT"] = settings.resolved_artifact_root
    # Turn off the MLflow server's telemetry and the background workers that PMMDS does not need.
    merged.update(
        {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "DO_NOT_TRACK": "1",
            "PYTHONUNBUFFERED": "1",
        }
    )
    for process in processes:
        merged.update(process.variables)
    if not merged.get("MLFLOW_S3_ENDPOINT_URL"):  # Compose may set an empty value, which boto3 rejects.
        merged.pop("MLFLOW_S3_ENDPOINT_URL", None)
    return merged


def _console(settings: Settings) -> Process:
    base = client_url(settings.console_host, settings.console_port)
    argv = [sys.executable, "-m", "pmmds_console"]
    return Process("console", argv, settings.console_host, settings.console_port, f"{base}/livez", f"{base}/")


def _serving(settings: Settings) -> Process:
    argv = [sys.executable, "-m", "pmmds_serving"]
    base = client_url(settings.http_host, settings.http_port)
    return Process(
        "serving",
        argv,
        settings.http_host,
        settings.http_port,
        f"{base}/livez",
        f"{base}/",
        grpc_port=settings.grpc_port,
    )


def _mlflow(settings: Settings) -> Process:
    """Define the MLflow server.

    The server's database URL contains a password, so the URL is passed in a private variable.
    """
    from pmmds_core.stores.artifacts.mlflow_app import APP_NAME, host_variables

    base = client_url(settings.mlflow_host, settings.mlflow_port)
    root = settings.resolved_artifact_root
    argv = [sys.executable, "-m", "mlflow", "server", "--app-name", APP_NAME, "--host", settings.mlflow_host]
    argv += ["--port", str(settings.mlflow_port), "--workers", "1"]
    # Clients of the server read artifacts through the server. Clients of its database read the artifact root directly.
    argv += ["--artifacts-destination" if settings.has_tracking_server else "--default-artifact-root", root]
    variables = {"MLFLOW_BACKEND_STORE_URI": settings.resolved_mlflow_database_url, **host_variables(settings)}
    return Process(
        "mlflow", argv, settings.mlflow_host, settings.mlflow_port, f"{base}/health", f"{base}/", variables=variables
    )


def _dagster(settings: Settings) -> list[Process]:
    host, port = settings.dagster_host, settings.dagster_port
    base = client_url(host, port)
    web = [
        sys.executable,
        "-m",
        "pmmds_assets.instance.webserver",
        "-h",
        host,
        "-p",
        str(port),
        *_code_location(settings),
    ]
    daemon = [sys.executable, "-m", "pmmds_assets.instance.daemon", "run", *_code_location(settings)]
    return [
        Process("dagster-webserver", web, host, port, f"{base}/server_info", f"{base}/"),
        Process("dagster-daemon", daemon),
    ]


def _code_location(settings: Settings) -> list[str]:
    """Return the options that point the web server and the daemon to a code server or a module."""
    from pmmds_assets.instance.dagster_home import MODULE

    if not settings.dagster_code_server:
        return ["-m", MODULE]
    host, _, port = settings.dagster_code_server.rpartition(":")
    return ["--grpc-host", host, "--grpc-port", port]


def _code_server(settings: Settings) -> Process:
    from pmmds_assets.instance.dagster_home import MODULE

    host = settings.dagster_host
    port = int(settings.dagster_code_server.rpartition(":")[2] or CODE_SERVER_PORT)
    argv = [sys.executable, "-m", "dagster", "api", "grpc", "-h", host, "-p", str(port), "-m", MODULE]
    return Process("dagster-code", argv, host, port, grpc_health="DagsterApi")


def check_ports(processes: Sequence[Process]) -> None:
    """Check that every port is free. Raises PortTakenError, which names the port and its setting."""
    for process in processes:
        if process.port and not is_free(process.host, process.port):
            raise port_taken(process)
        if process.grpc_port and not is_free(process.host, process.grpc_port):
            raise grpc_port_taken(process)


def port_taken(process: Process) -> PortTakenError:
    """Return the error for a process whose port is in use."""
    return _port_taken(process, process.port, _PORT_VARIABLES[process.name])


def grpc_port_taken(process: Process) -> PortTakenError:
    """Return the error for a service whose gRPC port is in use."""
    return _port_taken(process, process.grpc_port, "PMMDS_GRPC_PORT")


def _port_taken(process: Process, port: int, variable: str) -> PortTakenError:
    return PortTakenError(
        f"Port {port} on {process.host}, needed by {process.name}, is in use.",
        next_step=f"Stop the program that uses it, or set {variable} to a free port.",
    )
