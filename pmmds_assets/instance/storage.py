"""Opens the Dagster instance of DAGSTER_HOME; one process at a time creates its storage.

Dagster creates the SQLite files on first use without a lock. Two processes that start on a fresh home at the same time
both stamp the schema, and no process can open it after that. Not here: the instance file (dagster_home.py).
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import dagster as dg

from pmmds_core.runtime.file_lock import locked_file

LOCK_FILE = "storage.lock"


def open_instance() -> dg.DagsterInstance:
    """Return the instance of DAGSTER_HOME, with its storage created."""
    home = os.environ.get("DAGSTER_HOME")
    with locked_file(Path(home) / LOCK_FILE) if home else nullcontext():
        return dg.DagsterInstance.get()
