"""Runs the real service as processes on a free port, and stops them by their process ids.

Not here: assertions.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import httpx
import psutil

from pmmds_cli.processes.ports import listens
from pmmds_core.config.settings import load_settings
from pmmds_core.config.urls import client_url
from pmmds_core.deployment import Deployment
from pmmds_tests.harness.ports import free_ports

# The timeouts for waiting and for the end of a process. A busy machine may take many times as long as an idle one.
PATIENCE_SECONDS = 300.0
STOP_SECONDS = 120.0


def wait_until(holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS, pause: float = 0.01) -> None:
    """Poll a condition, and fail the test if the condition does not become true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"the condition was not met within {seconds:g} seconds"
        time.sleep(pause)


def service_environment(home: Path, tracking_uri: str, **variables: str) -> dict[str, str]:
    """Return the environment of a service with its own home and ports, without the caller's PMMDS_* variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PMMDS_")}
    http_port, grpc_port = free_ports(2)
    own = {
        "PMMDS_HOME": str(home),
        "PMMDS_HTTP_PORT": str(http_port),
        "PMMDS_GRPC_PORT": str(grpc_port),
        "PMMDS_MLFLOW_TRACKING_URI": tracking_uri,
    }
    return {**inherited, **own, **variables}


class RunningService:
    """A running service. `n_descriptors` is each process's hard limit for open files."""

    def __init__(self, environment: Mapping[str, str], n_descriptors: int | None = None) -> None:
        limited = ["prlimit", f"--nofile={n_descriptors}:{n_descriptors}"] if n_descriptors else []
        self.environment = dict(environment)
        self.settings = load_settings(self.environment)
        self.url = client_url(self.settings.http_host, self.settings.http_port)
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*limited, sys.executable, "-m", "pmmds_serving"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self._reader = threading.Thread(target=self._collect, args=(self.process.stdout,), daemon=True)
        self._reader.start()
        self.client = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def _collect(self, stream: IO[str]) -> None:
        with stream:
            self.lines.extend(iter(stream.readline, ""))

    @property
    def home(self) -> Path:
        return self.settings.home_path

    @property
    def output(self) -> str:
        """Return the output so far, which consists of log lines of PMMDS and BentoML."""
        return "".join(self.lines)

    def deployment(self) -> Deployment:
        """Return a new deployment object for the same home."""
        return Deployment(self.settings)

    def status_of(self, path: str) -> int:
        """Return the status of a GET request, or 0 if there is no response."""
        try:
            return self.client.get(path).status_code
        except httpx.TransportError:
            return 0

    def wait_for(self, path: str, status: int = 200) -> None:
        def answers() -> bool:
            assert self.process.poll() is None, self.output
            # Another test run may have started a service on the same port.
            return listens(self.process.pid, self.settings.http_port) and self.status_of(path) == status

        wait_until(answers)

    def serves(self, version: str) -> bool:
        return bool(self.client.get("/model").json().get("version") == version)

    def all_workers_serve(self, version: str) -> bool:
        """Return True if all workers serve `version`. Each one follows the alias shortly after it moves."""
        workers = self.client.get("/model").json().get("workers", [])
        return bool(workers) and all(worker["version"] == version for worker in workers)

    def tree(self) -> list[psutil.Process]:
        """Return all processes of the service."""
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def kill(self) -> None:
        """Send SIGKILL to all processes and wait until they have exited."""
        processes = self.tree()
        for process in processes:
            with suppress(psutil.NoSuchProcess):  # The process has already exited, because its parent is gone.
                process.kill()
        self._gone()
        wait_until(lambda: all(map(has_ended, processes)))

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Stop the service with SIGTERM, and return the exit code. Do nothing more if it has already exited.

        Raises:
            subprocess.TimeoutExpired: if the service does not exit in time.
        """
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._gone(seconds)

    def _gone(self, seconds: float = STOP_SECONDS) -> int:
        code = self.process.wait(seconds)
        self._reader.join(STOP_SECONDS)
        self.client.close()
        return code


def has_ended(process: psutil.Process) -> bool:
    """Return True if a process has exited. A zombie counts as exited, because it holds no files or ports."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def running_service(
    environment: Mapping[str, str], *, ready: str = "/ready", n_descriptors: int | None = None
) -> Iterator[RunningService]:
    """Run a service, enter the block once the path `ready` returns 200, and always stop the service afterwards."""
    service = RunningService(environment, n_descriptors)
    try:
        service.wait_for(ready)
        yield service
    finally:
        try:
            service.stop()
        except subprocess.TimeoutExpired:
            service.kill()
            raise
