"""Independent copies of a PMMDS_HOME: a copy has its own artifacts and data sets, so a test may change them.

MLflow and `reference_datasets` store absolute paths; a plain copy of the files would use those of the original.
Not here: building the original (trained_homes.py).
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

# Every column that contains absolute paths: file, table, column.
PATHS = (
    ("mlflow.db", "experiments", "artifact_location"),
    ("mlflow.db", "runs", "artifact_uri"),
    ("mlflow.db", "model_versions", "storage_location"),
    ("mlflow.db", "logged_models", "artifact_location"),
    ("pmmds.db", "reference_datasets", "path"),
    ("pmmds.db", "reference_datasets", "details"),
)


def copy_home(home: Path, copy: Path) -> Path:
    """Copy a home that no process is writing to; returns `copy`, a missing or empty folder."""
    shutil.copytree(home, copy, symlinks=True, dirs_exist_ok=True)
    for database, table, column in PATHS:
        with closing(sqlite3.connect(copy / database)) as connection, connection:
            changed = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
            connection.execute(changed, (f"{home}/", f"{copy}/"))
    return copy
