"""Without its database, a console starts, returns 503 without details, and recovers without a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import pmmds
from pmmds.errors import UnavailableError
from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import load_contract
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_tests.harness.console_process import RunningConsole, console_environment, running_console

pytestmark = pytest.mark.process


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """A shared database that does not exist yet."""
    return f"sqlite:///{tmp_path}/shared/pmmds.db"


@pytest.fixture
def console(tmp_path: Path, database_url: str) -> Iterator[RunningConsole]:
    with running_console(console_environment(str(tmp_path / "home"), PMMDS_DATABASE_URL=database_url)) as running:
        yield running


def test_console_without_a_database_returns_503_and_recovers(
    console: RunningConsole, database_url: str, tmp_path: Path
) -> None:
    answer = console.get("/versions")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert answer.headers["retry-after"] == "2"
    assert str(tmp_path) not in answer.text
    assert "store_unavailable" in console.output
    assert "pmmds db migrate" in console.output
    assert console.get("/openapi.json").status_code == 200
    with pmmds.connect(console.url, retries=0) as monitoring:
        with pytest.raises(UnavailableError, match="unavailable"):
            monitoring.versions()
        migrate(open_database(Settings(database_url=database_url)), load_contract(""))
        assert len(monitoring.versions()) == 0
