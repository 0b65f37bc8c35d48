"""Ports for tests: none that the kernel gives away by itself, and each for one test process only.

A port that is chosen now is listened on seconds later, or after a server was killed and started again. A port of the
kernel's own range may by then be the near end of anybody's connection; a client that asks again and again whether
somebody listens there may even be connected to itself. Keep out: what listens.
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
# Where the kernel's range begins when it does not say so, and where all ranges end.
_USUAL_BEGIN, _END = 49_152, 65_535
_KERNELS_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """One of `free_ports`."""
    return free_ports(1)[0]


def free_ports(n_ports: int) -> list[int]:
    """Different ones on which nobody listens; no other test process is given them while this one lives."""
    return list(islice(_free(), n_ports))


def _free() -> Iterator[int]:
    end = _end_of_choice()
    while True:
        port = _FIRST + randbelow(end - _FIRST)
        if is_free(HOST, port) and _lock(port):
            yield port


def _end_of_choice() -> int:
    """Where the kernel's range begins, unless that leaves too little."""
    try:
        begin = int(_KERNELS_RANGE.read_text().split()[0])
    except OSError:
        begin = _USUAL_BEGIN
    return begin if begin - _FIRST >= _ENOUGH else _END


def _lock(port: int) -> bool:
    """Whether the port is this process's now. Its lock is never given back: it ends with the process."""
    folder = Path(tempfile.gettempdir()) / f"pmmds-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / str(port), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return False
    return True
