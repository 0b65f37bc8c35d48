"""Fixtures that several test packages share. Not here: fixtures of one package (its conftest.py)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from msgspec import structs

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract, load_contract
from pmmds_core.runtime.private_folders import make_private
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_tests.harness.postgres import Cluster, temporary_cluster
from pmmds_tests.harness.postgres_programs import PostgresMissingError
from pmmds_tests.harness.service_process import PATIENCE_SECONDS

# Two test processes share two cores. With two OpenMP threads each, scikit-learn spends much processor time on waiting.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Every run tries the same examples, so that a test that passed also passes in the next run. No check depends on the
# load of the machine. `pytest --hypothesis-profile=new_examples` tries other examples.
_UNCHECKED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
hypothesis_settings.register_profile("new_examples", deadline=None, suppress_health_check=_UNCHECKED)
hypothesis_settings.register_profile("same_examples", hypothesis_settings.get_profile("new_examples"), derandomize=True)
hypothesis_settings.load_profile("same_examples")

SQLITE_FILE = "pmmds.db"


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


@pytest.fixture(scope="session")
def migrated_file(contract: Contract, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with PMMDS's tables, which tests copy because a migration takes longer."""
    settings = Settings(home=str(tmp_path_factory.mktemp("migrated")))
    _migrate(settings, contract)
    return settings.home_path / SQLITE_FILE


@pytest.fixture(scope="session")
def migrated_name(postgres_cluster: Cluster, contract: Contract) -> Iterator[str]:
    """The name of a PostgreSQL database with PMMDS's tables, which tests copy because a migration takes longer."""
    with postgres_cluster.fresh_database() as url:
        _migrate(Settings(database_url=url), contract)
        yield url.rpartition("/")[2]


def _migrate(settings: Settings, contract: Contract) -> None:
    with closing(open_database(settings)) as opened:
        migrate(opened, contract)


@pytest.fixture
def migrated_postgres_url(postgres_cluster: Cluster, migrated_name: str) -> Iterator[str]:
    """The URL of a PostgreSQL database with PMMDS's tables and no rows for this test."""
    with postgres_cluster.fresh_database(migrated_name) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of a database, which is empty unless the test uses `database`. The test runs once on each engine."""
    settings = Settings(home=str(tmp_path / "home"))
    is_migrated = "database" in request.fixturenames
    if request.param == "postgresql":
        url = request.getfixturevalue("migrated_postgres_url" if is_migrated else "postgres_url")
        return structs.replace(settings, database_url=url)
    if is_migrated:
        make_private(settings.home_path)
        shutil.copy(request.getfixturevalue("migrated_file"), settings.home_path / SQLITE_FILE)
    return settings


@pytest.fixture
def open_again(database_settings: Settings) -> Iterator[Callable[[], Database]]:
    """Return a function that opens the test's database again, as another process would."""
    with ExitStack() as stack:

        def opened() -> Database:
            # With the usual limit, a waiting writer could give up while a slow disk serves the others.
            database = open_database(database_settings, busy_timeout_seconds=PATIENCE_SECONDS)
            stack.callback(database.close)
            return database

        yield opened


@pytest.fixture
def empty_database(open_again: Callable[[], Database]) -> Database:
    """A database without tables, on each engine."""
    return open_again()


@pytest.fixture
def database(open_again: Callable[[], Database], contract: Contract) -> Database:
    """A database with PMMDS's tables and no rows, on each engine."""
    opened = open_again()
    migrate(opened, contract)  # This changes nothing unless a test has replaced `database_settings`.
    return opened
