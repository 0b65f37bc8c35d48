"""Start of the service: its command, its environment and the checks before it. Not here: supervision.

BentoML's home is a folder in PMMDS_HOME, so that several services on one machine do not share it.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import socket
import sys

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.errors import HomeNotWritableError, PortTakenError, SettingError

TARGET = "pmmds_serving.service:service"
_TRACING_MODULES = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http")


def serve_command(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """Return the server's command line and additional environment variables. Writes no files."""
    argv = [sys.executable, "-m", "bentoml", "serve", TARGET]
    argv += ["--host", settings.http_host, "--port", str(settings.http_port)]
    run = settings.home_path / "run"
    return argv, {"BENTOML_HOME": str(run / "bentoml"), "BENTOML_DO_NOT_TRACK": "true"}


def check_before_serving(settings: Settings) -> None:
    """Check the contract, addresses and folders before the start, so that each error is reported in one sentence.

    Raises:
        SettingError, ContractError, HomeNotWritableError, PortTakenError.
    """
    deployment = Deployment(settings)
    _ = deployment.contract
    _check_addresses(settings)
    _check_tracing(settings)
    _prepare_run_folder(deployment)


def _check_tracing(settings: Settings) -> None:
    """Check that the optional libraries are installed, without importing them."""
    if settings.otlp_endpoint and not all(_is_installed(name) for name in _TRACING_MODULES):
        raise SettingError(
            "PMMDS_OTLP_ENDPOINT is set, but OpenTelemetry is not installed.",
            next_step="Run `pip install 'pmmds[tracing]'`, or unset PMMDS_OTLP_ENDPOINT.",
        )


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _prepare_run_folder(deployment: Deployment) -> None:
    """Create BentoML's home, where it keeps the shared counters. Raises HomeNotWritableError."""
    run = deployment.folder("run")
    try:
        (run / "bentoml").mkdir(exist_ok=True)
    except OSError as error:
        raise HomeNotWritableError(
            f"The folder {run} cannot be written: {error.strerror}.",
            next_step="Set PMMDS_HOME to a writable folder.",
        ) from None


def grpc_port_taken(settings: Settings, problem: str) -> PortTakenError:
    """The error for a gRPC port that is not available."""
    return _port_taken(settings.http_host, settings.grpc_port, "PMMDS_GRPC_PORT", problem)


def _check_addresses(settings: Settings) -> None:
    """Check that both ports are free: with SO_REUSEPORT, workers would share the gRPC port with another service."""
    host = settings.http_host
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    except ValueError:
        raise SettingError(
            f"PMMDS_HTTP_HOST={host!r} is not an IP address.", next_step="Use 127.0.0.1, 0.0.0.0 or another IP address."
        ) from None
    if settings.http_port == settings.grpc_port:
        raise SettingError(
            f"PMMDS_HTTP_PORT and PMMDS_GRPC_PORT are both {settings.grpc_port}.",
            next_step="Set one of them to a different port.",
        )
    _check_port(family, host, settings.http_port, "PMMDS_HTTP_PORT")
    _check_port(family, host, settings.grpc_port, "PMMDS_GRPC_PORT")


def _check_port(family: socket.AddressFamily, host: str, port: int, variable: str) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _port_taken(host, port, variable, str(error.strerror)) from None


def _port_taken(host: str, port: int, variable: str, problem: str) -> PortTakenError:
    return PortTakenError(
        f"Port {port} on {host} cannot be used: {problem}.",
        next_step=f"Stop the program that listens there, or set {variable} to a free port.",
    )
