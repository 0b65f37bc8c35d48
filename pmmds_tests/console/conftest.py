"""Fixtures: a small monitored deployment on each engine, and a real console process that reads it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.engine import Database
from pmmds_tests.console.monitored_home import monitored_home
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console

# One worker of pytest-xdist runs all tests of an engine, so that each deployment is built once.
ENGINES = (
    pytest.param("sqlite", marks=pytest.mark.xdist_group("console-sqlite")),
    pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.xdist_group("console-postgresql")]),
)


@pytest.fixture(scope="session", params=ENGINES)
def monitored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment with a model, drifted traffic, labels, a drift report, an alert and a day's performance."""
    home = tmp_path_factory.mktemp("monitored") / "home"
    if request.param == "sqlite":
        yield monitored_home(home, {})
        return
    with request.getfixturevalue("postgres_cluster").fresh_database() as url:
        yield monitored_home(home, {"PMMDS_DATABASE_URL": url})


@pytest.fixture(scope="session")
def console(monitored: Deployment) -> Iterator[RunningConsole]:
    """A console on loopback, without a token."""
    settings = monitored.settings
    variables = {"PMMDS_DATABASE_URL": settings.database_url} if settings.database_url else {}
    with running_console(console_environment(settings.home, **variables)) as running:
        yield running


@pytest.fixture
def deployment(database: Database, database_settings: Settings) -> Deployment:
    """A deployment with tables and without a model, on each engine."""
    assert database.dialect in ("sqlite", "postgresql")
    return Deployment(database_settings)
