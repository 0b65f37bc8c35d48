"""Creates independent copies of a PMMDS_HOME with their own artifacts and data sets, which a test may change.

MLflow and `reference_datasets` store absolute paths, so a plain copy would use the original's files. Not here: building
the original (trained_homes.py).
"""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

# All columns that contain absolute paths, as tuples of file, table and column.
PATHS = (
    ("mlflow.db", "experiments", "artifact_location"),
    ("mlflow.db", "runs", "artifact_uri"),
    ("mlflow.db", "model_versions", "storage_location"),
    ("mlflow.db", "logged_models", "artifact_location"),
    ("pmmds.db", "reference_datasets", "path"),
    ("pmmds.db", "reference_datasets", "details"),
)


def copy_home(home: Path, copy: Path) -> Path:
    """Copy a home to which no process writes, and return `copy`. The folder `copy` must be missing or empty."""
    shutil.copytree(home, copy, symlinks=True, dirs_exist_ok=True)
    for database, table, column in PATHS:
        with closing(sqlite3.connect(copy / database)) as connection, connection:
            changed = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"
            connection.execute(changed, (f"{home}/", f"{copy}/"))
    return copy
