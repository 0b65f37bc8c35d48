"""If processes open a new Dagster home at the same time, each SQLite file has one schema version."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from pmmds_assets.instance.dagster_home import dagster_variables
from pmmds_core.config.settings import Settings

N_PROCESSES = 3
# All processes import Dagster first and then start at the same time, so that a race is likely.
PROGRAM = """
import sys, time
from pmmds_assets.instance.storage import open_instance
from pmmds_core.config.settings import load_settings
time.sleep(max(0.0, float(sys.argv[1]) - time.time()))
with open_instance(load_settings()) as instance:
    print(instance.schedule_storage.all_instigator_state())
"""


@pytest.mark.process
def test_concurrent_storage_creation_leaves_one_schema_version(tmp_path: Path) -> None:
    environment = {**os.environ, "PMMDS_HOME": str(tmp_path), **dagster_variables(Settings(home=str(tmp_path)))}
    moment = str(time.time() + 8)
    started = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, moment], env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(N_PROCESSES)
    ]
    errors = [process.communicate(timeout=600)[1] for process in started]
    assert [p.returncode for p in started] == [0] * N_PROCESSES, errors
    files = [p for p in (tmp_path / "dagster").rglob("*.db") if p.name in {"schedules.db", "runs.db", "index.db"}]
    assert len(files) == 3
    for file in files:
        with closing(sqlite3.connect(file)) as connection:
            assert len(connection.execute("SELECT version_num FROM alembic_version").fetchall()) == 1, file.name
