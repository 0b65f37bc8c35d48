"""Opens the Dagster instance in DAGSTER_HOME, and lets only one process at a time create its storage.

Dagster creates the SQLite files on first use without a lock. If two processes start in an empty home at the same time,
both record the schema version, and then no process can open the storage. Not here: the instance file (dagster_home.py).
"""

from __future__ import annotations

from contextlib import nullcontext

import dagster as dg

from pmmds_core.config.settings import Settings
from pmmds_core.runtime.file_lock import locked_file

LOCK_FILE = "storage.lock"


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Return the instance in DAGSTER_HOME, creating its storage if necessary."""
    folder = settings.home_path / "dagster"
    is_sqlite = folder.is_dir() and not settings.dagster_database_url
    with locked_file(folder / LOCK_FILE) if is_sqlite else nullcontext():
        return dg.DagsterInstance.get()
