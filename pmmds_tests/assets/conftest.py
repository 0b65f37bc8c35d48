"""A house with one model in production, made once for each test process. Tests that change it build their own."""

from __future__ import annotations

import dagster as dg
import pytest

from pmmds_tests.assets.house import House


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[House, dg.ExecuteInProcessResult]:
    """A house after its first train_job, and that run."""
    house = House.build(tmp_path_factory.mktemp("house"))
    return house, house.run("train_job")
