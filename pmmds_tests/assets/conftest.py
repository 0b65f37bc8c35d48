"""PMMDS_HOME fixtures with one and two model versions, built once per test process."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from pmmds_tests.harness.dagster_platform import DagsterPlatform, copy_of, errors_of

_FirstRun = tuple[DagsterPlatform, dg.ExecuteInProcessResult, Path]


@pytest.fixture(scope="session")
def _first_run(tmp_path_factory: pytest.TempPathFactory) -> _FirstRun:
    """A platform after its first train_job, that run, and a copy of the home after that run."""
    home, kept = tmp_path_factory.mktemp("platform"), tmp_path_factory.mktemp("trained")
    platform = DagsterPlatform.build(home)
    result = platform.run("train_job")
    shutil.copytree(home, kept, dirs_exist_ok=True)
    return platform, result, kept


@pytest.fixture(scope="session")
def trained(_first_run: _FirstRun) -> tuple[DagsterPlatform, dg.ExecuteInProcessResult]:
    """A platform after its first train_job, and that run."""
    platform, result, _ = _first_run
    return platform, result


@pytest.fixture(scope="session")
def trained_home(_first_run: _FirstRun) -> Path:
    """Version 1 is in production; no test changes this home. Later artifacts go to its first folder."""
    _, result, kept = _first_run
    assert result.success, errors_of(result)
    return kept


@pytest.fixture(scope="session")
def two_versions_home(trained_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 is in production, version 2 was promoted after it or held; no test changes this home."""
    home = tmp_path_factory.mktemp("two")
    result = copy_of(trained_home, home, PMMDS_TRAIN_SEED="7").run("train_job")
    assert result.success, errors_of(result)
    return home
