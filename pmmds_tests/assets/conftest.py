"""Houses with one model and with two, made once for each test process. Tests that change one make a copy of it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from pmmds_tests.assets.house import House, errors_of


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, dg.ExecuteInProcessResult]:
    """A house after its first train_job, and that run."""
    house = House.build(tmp_path_factory.mktemp("house"))
    return house, house.run("train_job")


@pytest.fixture(scope="session")
def two_versions_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 1 is in production, version 2 was promoted after it or held; no test changes this home."""
    home = tmp_path_factory.mktemp("two")
    for seed in ("42", "7"):
        result = House.build(home, PMMDS_TRAIN_SEED=seed).run("train_job")
        assert result.success, errors_of(result)
    return home
