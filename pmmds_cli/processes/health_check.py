"""Health checks of the processes, for containers.

`python -m pmmds_cli.processes.health_check NAME` does the same as `pmmds run NAME --check` but starts faster, which
matters because containers run it every few seconds. Only the daemon's check imports Dagster, to read the heartbeats
from its storage.
"""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import msgspec

from pmmds_core.errors import PmmdsError, ServiceUnavailableError

if TYPE_CHECKING:
    from pmmds_cli.processes.definitions import Process
    from pmmds_core.config.settings import Settings

_CHECK_SECONDS = 5.0
_MAX_SILENCE_SECONDS = 180.0


def main(name: str) -> int:
    """Print one sentence and return the exit code, which is 0 if the process is healthy."""
    from pmmds_cli.processes.definitions import single_processes
    from pmmds_core.config.settings import load_settings

    try:
        settings = load_settings()
        print(check_process(single_processes(settings)[name], settings))
    except PmmdsError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


def check_process(process: Process, settings: Settings) -> str:
    """Return one sentence if the process is healthy. Otherwise, raise ServiceUnavailableError with the problem."""
    if process.name == "serving":
        return _check_serving(process, settings.admin_token)
    if process.name == "dagster-daemon":
        return _check_daemon(settings)
    if process.grpc_health:
        return _check_grpc(process)
    _get(process.name, process.url)
    return f"{process.name} is healthy."


def _get(name: str, url: str, token: str = "") -> Any:
    """Return the JSON or text of a GET response, even if its status is 503."""
    # Ignore the environment's proxy variables, because the process is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    if token:
        opener.addheaders = [("Authorization", f"Bearer {token}")]
    try:
        with opener.open(url, timeout=_CHECK_SECONDS) as answer:
            content = answer.read()
    except urllib.error.HTTPError as error:
        content = error.read()
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise ServiceUnavailableError(f"{name} answered {url} with {error.code}.") from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ServiceUnavailableError(f"{name} did not respond at {url} ({reason}).") from None
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        return content.decode(errors="replace")


def _check_serving(process: Process, token: str) -> str:
    """Check the service.

    A healthy service may lack a model, as in a new deployment, but needs its database and spool.
    """
    document = _get(process.name, f"{process.page}healthz", token)
    parts = document["parts"] if isinstance(document, dict) else {}
    wrong = [
        f"{part}: {(parts[part]['problem'] or parts[part]['status']).rstrip('.')}"
        for part, well in (("database", "ok"), ("spool", "ok"))
        if parts.get(part, {}).get("status") != well
    ]
    if wrong:
        raise ServiceUnavailableError("serving is not healthy: " + "; ".join(wrong) + ".")
    return f"serving is healthy; model: {parts['model']['version'] or 'none yet'}."


def _check_daemon(settings: Settings) -> str:
    """Check the daemon's heartbeats in Dagster's storage, because the daemon has no port.

    Each of its parts writes a heartbeat every 30 s.
    """
    from pmmds_cli.client.job_runner import shared_instance

    instance = shared_instance(settings)
    beats = instance.get_daemon_heartbeats()
    oldest = time.time() - _MAX_SILENCE_SECONDS
    required = sorted(instance.get_required_daemon_types())
    silent = [kind for kind in required if kind not in beats or beats[kind].timestamp < oldest]
    if silent:
        raise ServiceUnavailableError(f"dagster-daemon is not healthy: no recent heartbeat from {', '.join(silent)}.")
    return "dagster-daemon is healthy."


def _check_grpc(process: Process) -> str:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    from pmmds_core.config.urls import authority, client_host

    target = authority(client_host(process.host), process.port)
    with grpc.insecure_channel(target) as channel:
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)  # The type stubs lack the methods of HealthStub.
            said = stub.Check(health_pb2.HealthCheckRequest(service=process.grpc_health), timeout=_CHECK_SECONDS)
        except grpc.RpcError as error:
            raise ServiceUnavailableError(f"{process.name} did not respond at {target} ({error.code()}).") from None
    if said.status != health_pb2.HealthCheckResponse.SERVING:
        raise ServiceUnavailableError(f"{process.name} responds at {target} but is not ready.")
    return f"{process.name} is healthy."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
