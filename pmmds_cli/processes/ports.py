"""Finds free TCP ports on this machine, and checks which process listens on a port."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil


def is_free(host: str, port: int) -> bool:
    """Return True if the port is free now. Another process may still take the port first."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_ports(wanted: Mapping[str, int], host: str = "127.0.0.1") -> dict[str, int]:
    """Return a distinct free port for each name, preferably the requested one. The ports are not reserved."""
    ports: dict[str, int] = {}
    for name, port in wanted.items():
        while port in ports.values() or not is_free(host, port):
            port = any_free(host)
        ports[name] = port
    return ports


def any_free(host: str = "127.0.0.1") -> int:
    """Return a port that was free when it was checked."""
    with socket.socket(_family(host), socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def listens(pid: int, port: int) -> bool:
    """Return True if the process or one of its descendants listens on the port, and False if the process has exited."""
    import psutil

    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return False
    return any(_listens_itself(process, port) for process in family)


def _listens_itself(process: psutil.Process, port: int) -> bool:
    import psutil

    try:
        open_now = process.net_connections(kind="tcp")
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False
    return any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in open_now)
