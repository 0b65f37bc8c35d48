"""Opens the Dagster instance of DAGSTER_HOME; one process at a time creates its storage.

Dagster creates the SQLite files on first use without a lock. Two processes that start on a fresh home at the same time
both stamp the schema, and no process can open it after that. Not here: the instance file (dagster_home.py).
"""

from __future__ import annotations

from contextlib import nullcontext

import dagster as dg

from pmmds_core.config.settings import Settings
from pmmds_core.runtime.file_lock import locked_file

LOCK_FILE = "storage.lock"


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Return the instance of DAGSTER_HOME, with its storage created."""
    folder = settings.home_path / "dagster"
    is_sqlite = folder.is_dir() and not settings.dagster_database_url
    with locked_file(folder / LOCK_FILE) if is_sqlite else nullcontext():
        return dg.DagsterInstance.get()
