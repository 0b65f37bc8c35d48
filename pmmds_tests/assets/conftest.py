"""PMMDS_HOME fixtures with one and two model versions."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from pmmds_tests.harness import trained_homes
from pmmds_tests.harness.dagster_platform import DagsterPlatform


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[DagsterPlatform, dg.ExecuteInProcessResult]:
    """A platform and its first run of train_job. Tests that use it share one test process."""
    platform = DagsterPlatform.build(tmp_path_factory.mktemp("platform"))
    return platform, platform.run("train_job")


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with version 1 in production, which tests must not change."""
    return trained_homes.first_version_home(tmp_path_factory)


@pytest.fixture(scope="session")
def two_versions_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with versions 1 and 2, the second promoted or held, which tests must not change."""
    return trained_homes.two_versions_home(tmp_path_factory)
