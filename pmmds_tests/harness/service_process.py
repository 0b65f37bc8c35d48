"""The real service as processes of a test: started on a free port, asked over HTTP, ended by its own process ids.

Add a way to start, watch or end it. Keep out: what is asserted about it.
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
from pmmds_core.deployment import Deployment
from pmmds_tests.harness.ports import free_ports

# When a test takes what it waits for for hung. No promise: a busy machine may take many times as long as an idle one.
PATIENCE_SECONDS = 120.0
STOP_SECONDS = 30.0


def wait_until(holds: Callable[[], bool], seconds: float = PATIENCE_SECONDS, pause: float = 0.01) -> None:
    """Ask again and again; the test fails when it has not come true in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not come true within {seconds:g} seconds"
        time.sleep(pause)


def service_environment(home: Path, tracking_uri: str, **variables: str) -> dict[str, str]:
    """Variables of a service of its own: home and ports; nothing of the caller's PMMDS_* ones."""
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
    """One started service; `n_descriptors` is the hard limit of each of its processes."""

    def __init__(self, environment: Mapping[str, str], n_descriptors: int | None = None) -> None:
        limited = ["prlimit", f"--nofile={n_descriptors}:{n_descriptors}"] if n_descriptors else []
        self.environment = dict(environment)
        self.settings = load_settings(self.environment)
        self.url = f"http://{self.settings.http_host}:{self.settings.http_port}"
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
        self.client = httpx.Client(base_url=self.url, timeout=30, trust_env=False)

    def _collect(self, stream: IO[str]) -> None:
        with stream:
            self.lines.extend(iter(stream.readline, ""))

    @property
    def home(self) -> Path:
        return self.settings.home_path

    @property
    def output(self) -> str:
        """What it has written so far: log lines and BentoML's."""
        return "".join(self.lines)

    def deployment(self) -> Deployment:
        """The stores it writes to, opened anew."""
        return Deployment(self.settings)

    def status_of(self, path: str) -> int:
        """The status of a GET; 0 while nobody answers."""
        try:
            return self.client.get(path).status_code
        except httpx.TransportError:
            return 0

    def wait_for(self, path: str, status: int = 200) -> None:
        def answers() -> bool:
            assert self.process.poll() is None, self.output
            # Another service may have been given the same port by another test run.
            return listens(self.process.pid, self.settings.http_port) and self.status_of(path) == status

        wait_until(answers)

    def serves(self, version: str) -> bool:
        return bool(self.client.get("/model").json().get("version") == version)

    def all_workers_serve(self, version: str) -> bool:
        """Whether every worker has it: they follow the alias each by itself, a moment after it moved."""
        workers = self.client.get("/model").json().get("workers", [])
        return bool(workers) and all(worker["version"] == version for worker in workers)

    def tree(self) -> list[psutil.Process]:
        """Every process of it."""
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def kill(self) -> None:
        """End every process of it with SIGKILL, and wait until none writes or holds a port any more."""
        processes = self.tree()
        for process in processes:
            with suppress(psutil.NoSuchProcess):  # it noticed that its parent was gone, and ended
                process.kill()
        self._gone()
        wait_until(lambda: all(map(has_ended, processes)))

    def stop(self) -> int:
        """Ask it to end, and wait. Returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._gone()

    def _gone(self) -> int:
        code = self.process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)
        self.client.close()
        return code


def has_ended(process: psutil.Process) -> bool:
    """Whether it has let go of its files and ports; nobody may have collected it yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def running_service(
    environment: Mapping[str, str], *, ready: str = "/ready", n_descriptors: int | None = None
) -> Iterator[RunningService]:
    """A service that answers 200 at `ready`; gone afterwards, whatever happened."""
    service = RunningService(environment, n_descriptors)
    try:
        service.wait_for(ready)
        yield service
    finally:
        if service.process.poll() is None:
            try:
                service.stop()
            except subprocess.TimeoutExpired:
                service.kill()
                raise
