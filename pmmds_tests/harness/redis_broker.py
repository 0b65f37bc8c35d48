"""Runs a real Redis server with its own port and folder, for Celery tests."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.system_programs import system_program

START_SECONDS = 120.0


@contextmanager
def temporary_broker() -> Iterator[str]:
    """Run an empty Redis within the block and yield its URL. Skip the test if redis-server is not installed."""
    program = system_program("redis-server")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pmmds-redis-") as folder:
        arguments = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder]
        server = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
        try:
            _wait(server, port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(timeout=START_SECONDS)


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"redis-server did not start on port {port}") from None
            time.sleep(0.02)
        else:
            return
