"""Starts and stops the demo's processes on free ports.

Not here: the steps (demo_steps.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from pmmds_cli.commands.service import start, stop
from pmmds_cli.output.console import say
from pmmds_cli.processes.ports import free_ports
from pmmds_core.config.settings import Settings
from pmmds_core.errors import PortTakenError

PORTS = ("console_port", "http_port", "grpc_port", "dagster_port", "mlflow_port")
PORT_ATTEMPTS = 3


class DemoProcesses:
    """The processes of a running demo. `settings` contains the chosen ports."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @contextmanager
    def running(self, *, keep_up: bool) -> Iterator[None]:
        """Start the real processes, and stop them at the end even if a step fails."""
        done = False
        try:
            self._start()
            yield
            done = True
        finally:
            if not (done and keep_up):
                say("Stopping the processes")
                stop(self.settings)

    def _start(self) -> None:
        """Start the processes. If another program takes a chosen port first, retry with other ports."""
        say(f"1/7  Starting the console, the service, Dagster and MLflow ({self.settings.home})")
        for attempts_left in reversed(range(PORT_ATTEMPTS)):
            self._take_ports()
            try:
                start(self.settings)
            except PortTakenError as error:
                if not attempts_left:
                    raise
                say(f"     {error.message}")
                stop(self.settings)
            else:
                return

    def _take_ports(self) -> None:
        wanted = {name: getattr(self.settings, name) for name in PORTS}
        free = free_ports(wanted)
        for name in (n for n in PORTS if free[n] != wanted[n]):
            say(f"     Port {wanted[name]} is in use; using {free[name]} instead.")
        self.settings = msgspec.structs.replace(self.settings, **free)
        # Both child processes and jobs in this process read these variables.
        os.environ.update(self.settings.to_environment())
