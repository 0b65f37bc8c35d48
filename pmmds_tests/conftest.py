"""Fixtures that several test packages share. Not here: fixtures of one package (its conftest.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract, load_contract
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_tests.harness.postgres import Cluster, temporary_cluster
from pmmds_tests.harness.postgres_programs import PostgresMissingError

# Hypothesis must not check an example's duration, because it depends on the load of the machine.
settings.register_profile("patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def contract() -> Contract:
    """The packaged Telco contract."""
    return load_contract("")


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """A PostgreSQL server for this test session. Each xdist worker has its own."""
    with ExitStack() as stack:
        try:
            cluster = stack.enter_context(temporary_cluster())
        except PostgresMissingError as error:
            pytest.fail(str(error), pytrace=False)
        yield cluster


@pytest.fixture
def postgres_url(postgres_cluster: Cluster) -> Iterator[str]:
    """The URL of an empty PostgreSQL database for this test."""
    with postgres_cluster.fresh_database() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of an empty database. The test runs once on each engine."""
    home = str(tmp_path / "home")
    if request.param == "sqlite":
        return Settings(home=home)
    return Settings(home=home, database_url=request.getfixturevalue("postgres_url"))


@pytest.fixture
def open_again(database_settings: Settings) -> Iterator[Callable[[], Database]]:
    """Return a function that opens the test's database again, as another process would."""
    with ExitStack() as stack:

        def opened() -> Database:
            database = open_database(database_settings)
            stack.callback(database.close)
            return database

        yield opened


@pytest.fixture
def empty_database(open_again: Callable[[], Database]) -> Database:
    """A database without tables, on each engine."""
    return open_again()


@pytest.fixture
def database(empty_database: Database, contract: Contract) -> Database:
    """A migrated database, on each engine."""
    migrate(empty_database, contract)
    return empty_database
