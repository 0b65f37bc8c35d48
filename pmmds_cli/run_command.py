"""run: one of the processes of `pmmds up`, alone and in the foreground, as a container's only process.

Keep out: which processes there are (processes.py).
"""

from __future__ import annotations

import ipaddress
import os
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pmmds_core.errors import ServiceUnavailableError, UsageError

if TYPE_CHECKING:
    from pmmds_cli.processes import Process
    from pmmds_core.settings import Settings

_CHECK_SECONDS = 3.0
_LONGEST_SILENCE_SECONDS = 180.0


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: pmmds run dagster-daemon")(run)


def run(
    name: Annotated[str, typer.Argument(help="serving, mlflow, dagster-webserver, dagster-daemon or dagster-code.")],
    check: Annotated[
        bool, typer.Option("--check", help="Start nothing: ask the one that runs here whether it is well.")
    ] = False,
) -> None:
    """One of the processes of `pmmds up`, in the foreground: what a container runs. `--check` is its health check."""
    from pmmds_cli.processes import single_processes
    from pmmds_core.settings import load_settings

    settings = load_settings()
    known = single_processes(settings)
    if name not in known:
        raise UsageError(f"There is no process {name!r}.", next_step=f"There are {', '.join(known)}.")
    if check:
        print(_check(known[name], settings))
    else:
        _become(known[name], settings)


def _become(process: Process, settings: Settings) -> None:
    """Check what it needs, then replace this process by it, so that signals reach it."""
    from pmmds_cli.processes import child_environment
    from pmmds_core.stores.reachability import check_dagster_database, check_mlflow_database

    if process.name == "mlflow":
        if not settings.resolved_mlflow_database_url:
            raise UsageError(
                "The MLflow server has no database.", next_step="Set PMMDS_MLFLOW_DATABASE_URL for this process."
            )
        check_mlflow_database(settings)
    elif process.name.startswith("dagster"):
        check_dagster_database(settings)
    os.execvpe(process.argv[0], list(process.argv), child_environment(settings, [process]))


def _check(process: Process, settings: Settings) -> str:
    """One sentence when it is well. Raises ServiceUnavailableError with what is not."""
    if process.name == "serving":
        return _check_serving(process)
    if process.name == "dagster-daemon":
        return _check_daemon(settings)
    if process.grpc_health:
        return _check_grpc(process)
    _get(process.name, _here(process.url, process.host))
    return f"{process.name} answers."


def _here(url: str, host: str) -> str:
    """The same URL on the loopback where it says every address, as a container's does."""
    return url.replace(f"//{host}:", f"//{_reached_at(host)}:")


def _reached_at(host: str) -> str:
    try:
        return "127.0.0.1" if ipaddress.ip_address(host).is_unspecified else host
    except ValueError:
        return host


def _get(name: str, url: str) -> object:
    import httpx

    try:
        answer = httpx.get(url, timeout=_CHECK_SECONDS, trust_env=False)
    except httpx.HTTPError as error:
        raise ServiceUnavailableError(f"{name} does not answer at {url} ({type(error).__name__}).") from None
    if not answer.is_success and answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
        raise ServiceUnavailableError(f"{name} answered {url} with {answer.status_code}.")
    return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text


def _check_serving(process: Process) -> str:
    """Well also without a model, which is how a deployment begins; not without its database or a place to record."""
    base = _here(process.page, process.host).rstrip("/")
    document = _get(process.name, f"{base}/healthz")
    parts = document["parts"] if isinstance(document, dict) else {}
    wrong = [
        f"{part}: {parts[part]['problem'] or parts[part]['status']}"
        for part, well in (("database", "ok"), ("spool", "ok"))
        if parts.get(part, {}).get("status") != well
    ]
    if wrong:
        raise ServiceUnavailableError("serving answers, but " + "; ".join(wrong) + ".")
    return f"serving answers; model: {parts['model']['version'] or 'none yet'}."


def _check_daemon(settings: Settings) -> str:
    """The daemon listens nowhere: each of its parts leaves a heartbeat in Dagster's storage every half minute."""
    from pmmds_cli.job_runs import shared_instance

    instance = shared_instance(settings)
    beats = instance.get_daemon_heartbeats()
    oldest = time.time() - _LONGEST_SILENCE_SECONDS
    required = sorted(instance.get_required_daemon_types())
    silent = [kind for kind in required if kind not in beats or beats[kind].timestamp < oldest]
    if silent:
        raise ServiceUnavailableError(f"The daemon is not well: no sign of life from {', '.join(silent)}.")
    return "dagster-daemon gives signs of life."


def _check_grpc(process: Process) -> str:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    target = f"{_reached_at(process.host)}:{process.port}"
    with grpc.insecure_channel(target) as channel:
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)  # the types do not know its methods
            said = stub.Check(health_pb2.HealthCheckRequest(service=process.grpc_health), timeout=_CHECK_SECONDS)
        except grpc.RpcError as error:
            raise ServiceUnavailableError(f"{process.name} does not answer at {target} ({error.code()}).") from None
    if said.status != health_pb2.HealthCheckResponse.SERVING:
        raise ServiceUnavailableError(f"{process.name} answers at {target}, but is not ready.")
    return f"{process.name} answers."
