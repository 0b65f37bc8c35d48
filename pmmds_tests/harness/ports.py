"""Finds free ports for tests outside the kernel's ephemeral range, and reserves each one for one test process.

A server starts to listen seconds after its port was chosen, or again after a restart. By then the kernel may have
assigned an ephemeral port to another connection, or connected a polling client to itself. Not here: servers.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from secrets import randbelow

from pmmds_cli.processes.ports import is_free

HOST = "127.0.0.1"
_FIRST, _ENOUGH = 10_000, 5_000
# The default start of the ephemeral range, and the end of all ports.
_USUAL_BEGIN, _END = 49_152, 65_535
_KERNELS_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """Return one free port, as described in `free_ports`."""
    return free_ports(1)[0]


def free_ports(n_ports: int) -> list[int]:
    """Return distinct ports without a listener, reserved for this process until it exits."""
    return list(islice(_free(), n_ports))


def _free() -> Iterator[int]:
    end = _end_of_choice()
    while True:
        port = _FIRST + randbelow(end - _FIRST)
        if is_free(HOST, port) and _lock(port):
            yield port


def _end_of_choice() -> int:
    """Return the start of the ephemeral range, or the end of all ports if too few ports are below it."""
    try:
        begin = int(_KERNELS_RANGE.read_text().split()[0])
    except OSError:
        begin = _USUAL_BEGIN
    return begin if begin - _FIRST >= _ENOUGH else _END


def _lock(port: int) -> bool:
    """Try to reserve a port with a file lock, which the kernel releases when this process exits."""
    folder = Path(tempfile.gettempdir()) / f"pmmds-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / str(port), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return False
    return True
