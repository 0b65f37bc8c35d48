"""A real Redis for tests of Celery: a child process with a port and a folder of its own, ended with its block.

Nothing is ever installed, and a Redis that runs on the machine already is left alone.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pmmds_tests.harness.ports import free_port

START_SECONDS = 60.0
HOW_TO_GET = "redis-server was not found. Install it with `apt-get install redis-server`, or put it on PATH."


class RedisMissingError(Exception):
    """The server program is not on this machine."""


@contextmanager
def temporary_broker() -> Iterator[str]:
    """The URL of an empty Redis.

    Raises:
        RedisMissingError: with how to get the program.
    """
    program = shutil.which("redis-server")
    if program is None:
        raise RedisMissingError(HOW_TO_GET)
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
