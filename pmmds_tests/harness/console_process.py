"""Runs the real console as a process on a free port, and stops it by its process id.

Not here: its deployment (pmmds_tests/console/conftest.py), assertions.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import httpx

from pmmds_cli.processes.ports import listens
from pmmds_core.config.settings import Settings, load_settings
from pmmds_core.config.urls import client_url
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.service_process import STOP_SECONDS, wait_until

BASE = "/api/v1/monitoring"


@dataclass(frozen=True)
class RunningConsole:
    """A running console that accepts connections. `url` is its loopback address."""

    url: str
    settings: Settings
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def get(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> httpx.Response:
        """Return the response for a path below the API's base path."""
        return httpx.request(method, f"{self.url}{BASE}{path}", headers=headers, timeout=60, trust_env=False)

    @property
    def output(self) -> str:
        """Return the output so far."""
        # A seek would move the console's position too, because both processes share the open file.
        descriptor = self.log.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()


def console_environment(home: str, **variables: str) -> dict[str, str]:
    """Return the environment of a console on a free port, without the caller's PMMDS_* variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PMMDS_")}
    return {**inherited, "PMMDS_HOME": home, "PMMDS_CONSOLE_PORT": str(free_port()), **variables}


@contextmanager
def running_console(environment: Mapping[str, str]) -> Iterator[RunningConsole]:
    """Run a console within the block. `pmmds console` replaces itself with its server."""
    settings = load_settings(environment)
    url = client_url(settings.console_host, settings.console_port)
    argv = [sys.executable, "-m", "pmmds_cli.main", "console"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(argv, env=dict(environment), stdout=log, stderr=subprocess.STDOUT)
        console = RunningConsole(url, settings, process, log)
        try:
            wait_until(lambda: _is_alive(console))
            yield console
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)


def _is_alive(console: RunningConsole) -> bool:
    assert console.process.poll() is None, console.output
    if not listens(console.process.pid, console.settings.console_port):
        return False
    try:
        return httpx.get(f"{console.url}/livez", timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
