"""Runs a real nginx with a test's configuration. Not here: the configurations."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pmmds_tests.harness.service_process import STOP_SECONDS, wait_until
from pmmds_tests.harness.system_programs import system_program


@contextmanager
def running_nginx(folder: Path, configuration: str, port: int) -> Iterator[None]:
    """Run nginx with this configuration on `port` within the block. Skip the test if it is not installed."""
    file = folder / "nginx.conf"
    file.write_text(configuration, encoding="utf-8")
    process = subprocess.Popen([system_program("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(file)])
    try:
        wait_until(lambda: _listens(port))
        yield
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
