"""A browser, and two real consoles of one deployment: with sign-in off, and with users who sign in with a password."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pmmds_core.deployment import Deployment
from pmmds_core.policies.roles import Role
from pmmds_tests.console.monitored_home import monitored_home
from pmmds_tests.harness.browser import Browser, running_browser
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console

PHRASE = "correct horse battery"
# Window widths in pixels, and whether the reader prefers dark colors.
WIDTHS, COLORS = (1200, 360), (False, True)
# One worker of pytest-xdist runs all tests of an engine, so that each deployment is built once.
POSTGRESQL = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.xdist_group("console-browser-postgresql")]
ENGINES = (
    pytest.param("sqlite", marks=pytest.mark.xdist_group("console-browser-sqlite")),
    pytest.param("postgresql", marks=POSTGRESQL),
)
# Another model that is held, so that version 1 remains in production.
SECOND = {"PMMDS_TRAIN_SEED": "7", "PMMDS_PROMOTION_MIN_IMPROVEMENT": "1"}


@pytest.fixture(scope="session")
def window() -> Iterator[Browser]:
    """The browser of this test process."""
    with running_browser() as browser:
        yield browser


@pytest.fixture
def browser(window: Browser) -> Browser:
    """The browser without cookies, at 1,200 px, with light colors."""
    window.driver.delete_all_cookies()
    window.show(WIDTHS[0])
    return window


@pytest.fixture(scope="session", params=ENGINES)
def watched(
    request: pytest.FixtureRequest, window: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Two versions, drifted traffic, a report and an alert; a user of each role. Without Chromium it is not built."""
    assert window.driver.session_id
    home = tmp_path_factory.mktemp("watched") / "home"
    if request.param == "sqlite":
        yield _with_users(monitored_home(home, {}, SECOND))
        return
    with request.getfixturevalue("postgres_cluster").fresh_database() as url:
        variables = {"PMMDS_DATABASE_URL": url}
        yield _with_users(monitored_home(home, variables, SECOND))


@pytest.fixture(scope="session")
def open_console(watched: Deployment) -> Iterator[RunningConsole]:
    """A console with sign-in off."""
    with running_console(_environment(watched)) as running:
        yield running


@pytest.fixture(scope="session")
def console(watched: Deployment) -> Iterator[RunningConsole]:
    """A console whose users sign in with a password."""
    with running_console(_environment(watched, PMMDS_CONSOLE_SIGN_IN="users")) as running:
        yield running


def _environment(deployment: Deployment, **variables: str) -> dict[str, str]:
    settings = deployment.settings
    database = {"PMMDS_DATABASE_URL": settings.database_url} if settings.database_url else {}
    return console_environment(settings.home, **database, **variables)


def _with_users(deployment: Deployment) -> Deployment:
    for role in Role:
        deployment.users.add(role.word, role, PHRASE)
    return deployment
