"""Commands do not import libraries whose import takes longer than the command's work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pmmds_tests.harness.command_line import HEAVY, heavy_libraries_of

READING = [["config"], ["db", "status"], ["decisions"], ["explain", "no-such-prediction"], ["alerts", "list"]]
READING += [["performance"], ["status"], ["logs"]]
# Monitoring runs in Dagster and draws its charts with matplotlib, so these imports are allowed.
NEEDED_BY_MONITOR = {"dagster", "vl_convert", "matplotlib"}


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_reading_commands_import_no_heavy_library(tmp_path: Path, arguments: list[str]) -> None:
    assert heavy_libraries_of(tmp_path / "home", arguments) == set()


def test_help_imports_no_library_besides_typer() -> None:
    code = "import sys; from pmmds_cli.application import app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"typer", "pmmds_cli.commands.open_page"} <= loaded
    assert loaded.isdisjoint({"msgspec", "rich", "sqlalchemy", "json", "csv", "yaml", "httpx", "webbrowser"})


def test_monitor_imports_neither_mlflow_nor_pandas_nor_scikit_learn(trained_home: Path) -> None:
    loaded = heavy_libraries_of(trained_home, ["monitor"])
    assert "dagster" in loaded, "monitor_job ran in this process"
    assert loaded.isdisjoint(HEAVY - NEEDED_BY_MONITOR)
