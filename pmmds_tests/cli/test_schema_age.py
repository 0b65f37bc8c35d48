"""Commands and jobs on an older or newer database schema fail with one sentence and a next step."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.backup import count_rows
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.schema import HEAD, migrate
from pmmds_tests.harness.command_line import Said, pmmds
from pmmds_tests.harness.dagster_platform import DagsterPlatform, errors_of

pytestmark = pytest.mark.postgres

OLDER, NEWER = "0000", "9999"
ADVICE = {OLDER: "Run `pmmds db migrate`.", NEWER: "Install the newer PMMDS version that migrated it."}


@pytest.fixture(params=[OLDER, NEWER])
def revision(request: pytest.FixtureRequest, aged: Database) -> str:
    """Return the tables and columns of the database."""
    found = str(request.param)
    with aged.begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{found}'")
    return found


@pytest.fixture
def aged(postgres_url: str, contract: Contract) -> Database:
    database = open_database(Settings(database_url=postgres_url))
    migrate(database, contract)
    return database


def sentence(revision: str) -> str:
    return f"is at revision {revision}, but this program needs {HEAD}. {ADVICE[revision]}"


def test_commands_check_the_schema_before_they_change_anything(
    tmp_path: Path, postgres_url: str, aged: Database, revision: str
) -> None:
    before = count_rows(aged)

    def run(*arguments: str) -> Said:
        said = pmmds(tmp_path / "home", *arguments, PMMDS_DATABASE_URL=postgres_url)
        assert said.code == 1
        return said

    for arguments in (("train",), ("monitor",), ("rollback", "--by", "Ada"), ("alerts", "list"), ("explain", "x")):
        assert run(*arguments).sentence.endswith(sentence(revision)), arguments
    findings = {f["part"]: f["seen"] for f in run("doctor", "--json").document}
    assert findings["database"].endswith(sentence(revision))
    assert run("db", "status").out == f"Revision {revision} of {HEAD}: {STATUS[revision]}\n"
    assert count_rows(aged) == before


STATUS = {OLDER: "not up to date; run `pmmds db migrate`.", NEWER: ADVICE[NEWER]}


@pytest.mark.parametrize("job", ["monitor_job", "train_job", "archive_job", "performance_job"])
def test_dagster_run_fails_on_another_schema(
    tmp_path: Path, postgres_url: str, aged: Database, revision: str, job: str
) -> None:
    before = count_rows(aged)
    platform = DagsterPlatform.of_environment(
        {"PMMDS_HOME": str(tmp_path / "home"), "PMMDS_DATABASE_URL": postgres_url}
    )
    partition = "2026-03-01-12:00" if job == "monitor_job" else None
    result = platform.run(job, partition_key=partition)
    assert not result.success
    assert sentence(revision) in errors_of(result)[0]
    assert count_rows(aged) == before


def test_newer_schema_is_left_unchanged(tmp_path: Path, postgres_url: str, aged: Database) -> None:
    with aged.begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{NEWER}'")
    said = pmmds(tmp_path / "home", "db", "migrate", PMMDS_DATABASE_URL=postgres_url)
    assert said.code == 1
    assert said.sentence.endswith(f"is at revision {NEWER}, which this program does not support. {ADVICE[NEWER]}")
