"""Runs real Dagster daemons like `pmmds up`. A daemon, its code server and its runs share a process group."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pmmds_assets.instance.leader_lock import Role
from pmmds_cli.processes.definitions import child_environment, local_processes
from pmmds_core.config.settings import Settings
from pmmds_tests.harness.service_process import STOP_SECONDS, wait_until

SECONDS, PAUSE_SECONDS = 600.0, 0.2


@dataclass(frozen=True)
class Daemon:
    """A running daemon and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def has_logged(self, role: Role) -> bool:
        return f'"role":"{role.value}"' in self.log.read_text()

    def wait_for(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition is true. Fail if the daemon exits first."""

        def holds_or_died() -> bool:
            assert self.is_alive, self.log.read_text()[-4000:]
            return holds()

        wait_until(holds_or_died, SECONDS, PAUSE_SECONDS)

    def kill(self) -> None:
        """Send SIGKILL to the daemon and to all processes that it started."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(STOP_SECONDS)


@contextmanager
def daemon_of(settings: Settings, log: Path) -> Iterator[Daemon]:
    """Run a daemon within the block, then terminate it. If it still runs after a minute, kill its process group.

    Args:
        settings: the settings of the deployment.
        log: the file for standard output and standard error.
    """
    (described,) = [p for p in local_processes(settings) if p.name == "dagster-daemon"]
    environment = {**child_environment(settings, [described]), **settings.to_environment()}
    with log.open("wb") as out:
        process = subprocess.Popen(described.argv, env=environment, stdout=out, stderr=out, start_new_session=True)
    daemon = Daemon(process, log)
    try:
        yield daemon
    finally:
        if daemon.is_alive:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            daemon.kill()
