"""The processes of one machine: what each runs, where it listens, how to tell that it is ready.

Add a process here and `pmmds up` starts it. Keep out: the supervisor (supervision.py).
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pmmds_cli.ports import is_free
from pmmds_core.errors import PortTakenError
from pmmds_core.settings import Settings

_PORT_VARIABLES = {
    "serving": "PMMDS_HTTP_PORT",
    "mlflow": "PMMDS_MLFLOW_PORT",
    "dagster-webserver": "PMMDS_DAGSTER_PORT",
}


@dataclass(frozen=True)
class Process:
    """One long-running process. `url` answers once it is ready; processes without one are ready when they run."""

    name: str
    argv: Sequence[str]
    host: str = ""
    port: int = 0
    url: str = ""
    page: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    grpc_port: int = 0

    @property
    def command(self) -> str:
        return shlex.join(self.argv).replace("%", "%%")  # supervisor expands percent signs


def local_processes(settings: Settings) -> list[Process]:
    """Serving, Dagster's web server and daemon, and the MLflow server."""
    return [_serving(settings), _mlflow(settings), *_dagster(settings)]


def child_environment(settings: Settings, processes: Sequence[Process]) -> dict[str, str]:
    """The variables all of them get: this process's own, the settings made absolute, and what each asks for."""
    from pmmds_assets.dagster_home import prepare_dagster_home

    merged = {**os.environ, "PMMDS_HOME": str(settings.home_path), "DAGSTER_HOME": str(prepare_dagster_home(settings))}
    for path in ("contract", "data_path"):
        value = getattr(settings, path)
        if value:
            merged[f"PMMDS_{path.upper()}"] = str(Path(value).expanduser().absolute())
    # MLflow's server asks home for news and starts workers it does not need.
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
    return merged


def _serving(settings: Settings) -> Process:
    argv = [sys.executable, "-m", "pmmds_serving"]
    base = f"http://{settings.http_host}:{settings.http_port}"
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
    base = f"http://{settings.mlflow_host}:{settings.mlflow_port}"
    artifacts = "file://" + str(settings.home_path / "mlartifacts")
    argv = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", settings.resolved_tracking_uri]
    argv += ["--default-artifact-root", artifacts, "--host", settings.mlflow_host, "--port", str(settings.mlflow_port)]
    argv += ["--workers", "1"]
    return Process("mlflow", argv, settings.mlflow_host, settings.mlflow_port, f"{base}/health", f"{base}/")


def _dagster(settings: Settings) -> list[Process]:
    from pmmds_assets.dagster_home import MODULE

    host, port = settings.dagster_host, settings.dagster_port
    base = f"http://{host}:{port}"
    web = [sys.executable, "-m", "dagster_webserver", "-h", host, "-p", str(port), "-m", MODULE]
    daemon = [sys.executable, "-m", "dagster._daemon", "run", "-m", MODULE]
    return [
        Process("dagster-webserver", web, host, port, f"{base}/server_info", f"{base}/"),
        Process("dagster-daemon", daemon),
    ]


def check_ports(processes: Sequence[Process]) -> None:
    """Raises PortTakenError naming the port, and the variable that moves it."""
    for process in processes:
        if process.port and not is_free(process.host, process.port):
            raise port_taken(process)
        if process.grpc_port and not is_free(process.host, process.grpc_port):
            raise _port_taken(process, process.grpc_port, "PMMDS_GRPC_PORT")


def port_taken(process: Process) -> PortTakenError:
    """The error for a process whose port another one has."""
    return _port_taken(process, process.port, _PORT_VARIABLES[process.name])


def _port_taken(process: Process, port: int, variable: str) -> PortTakenError:
    return PortTakenError(
        f"Port {port} on {process.host}, where {process.name} would listen, is taken.",
        next_step=f"Stop what listens there, or set {variable} to a free port.",
    )
