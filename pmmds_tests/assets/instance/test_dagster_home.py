"""Dagster's SQLite files are in the home even if its path contains URL characters; other homes use Dagster's class."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pmmds_assets.instance.dagster_home import dagster_variables
from pmmds_core.config.settings import Settings

COUNT_RUNS = """
import dagster
with dagster.DagsterInstance.get() as instance:
    print("EscapedSqliteStorage" in str(instance.get_ref().storage_data))
    print(instance.get_runs_count(), len(instance.all_instigator_state()))
    instance.report_runless_asset_event(dagster.AssetMaterialization("a"))
    print(instance.has_asset_key(dagster.AssetKey("a")))
"""


@pytest.mark.parametrize(("name", "is_escaped"), [("a%20b #c?d", True), ("a b #c", False)])
def test_dagster_writes_only_inside_the_home(tmp_path: Path, name: str, is_escaped: bool) -> None:
    home = tmp_path / name
    variables = {**os.environ, **dagster_variables(Settings(home=str(home)))}
    done = subprocess.run([sys.executable, "-c", COUNT_RUNS], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(is_escaped), "0 0", "True"]
    files = {str(file.relative_to(home)) for file in home.rglob("*.db")}
    assert files >= {"dagster/history/runs.db", "dagster/schedules/schedules.db", "dagster/history/runs/index.db"}
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
