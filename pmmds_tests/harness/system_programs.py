"""Programs of the system that some tests start. Not here: PostgreSQL's (postgres_programs.py), our own."""

from __future__ import annotations

import os
import shutil

import pytest

PACKAGES = {
    "java": "openjdk-17-jre-headless",
    "nginx": "nginx-light",
    "pgbouncer": "pgbouncer",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "redis-server": "redis-server",
}
# Debian puts servers into folders that only root has on its PATH.
_FOLDERS = os.pathsep.join(["/usr/sbin", "/usr/local/sbin"])


def system_program(name: str) -> str:
    """The path of a program of PACKAGES. Skips the test, naming the program, where it is not installed."""
    found = shutil.which(name) or shutil.which(name, path=_FOLDERS)
    if found is None:
        pytest.skip(f"{name} is not installed (`apt-get install {PACKAGES[name]}` on Debian and Ubuntu)")
    return found
