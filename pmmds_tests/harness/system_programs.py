"""Finds system programs that some tests run. Not here: PostgreSQL (postgres_programs.py), PMMDS's processes."""

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
# Debian installs servers in folders that are only on root's PATH.
_FOLDERS = os.pathsep.join(["/usr/sbin", "/usr/local/sbin"])


def system_program(name: str) -> str:
    """Return the path of a program in PACKAGES. If it is not installed, skip the test and name the package."""
    found = shutil.which(name) or shutil.which(name, path=_FOLDERS)
    if found is None:
        pytest.skip(f"{name} is not installed (`apt-get install {PACKAGES[name]}` on Debian and Ubuntu)")
    return found
