"""Backup and restore are complete and private, and never overwrite existing data."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.data.digests import content_digest
from pmmds_core.errors import InputFileError, RightMissingError, SchemaOutdatedError, StoreError
from pmmds_core.stores.database.backup import back_up, count_rows, restore
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.schema import check_schema, migrate
from pmmds_core.stores.predictions.label_history import LabelItem
from pmmds_core.stores.predictions.labels import GroundTruthStore
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.postgres import Cluster
from pmmds_tests.harness.prediction_records import NOON, make_records


@pytest.fixture
def filled(database: Database, contract: Contract) -> Database:
    records = make_records(contract, 500)
    PredictionLog(database, contract).append(records)
    GroundTruthStore(database, contract).add([LabelItem(r.request_id, 1, NOON) for r in records[::3]])
    return database


def labelled(database: Database, contract: Contract) -> str:
    return content_digest(GroundTruthStore(database, contract).labelled_rows().to_frame(contract))


def check_restored(filled: Database, other: Database, contract: Contract, file: Path) -> None:
    assert back_up(filled, file) == file.stat().st_size
    restore(other, file)
    check_schema(other, contract)
    assert count_rows(other) == count_rows(filled)
    assert count_rows(other)["prediction_logs"] == 500
    assert labelled(other, contract) == labelled(filled, contract)
    again = make_records(contract, 500)
    assert PredictionLog(other, contract).append(again) == 0
    with pytest.raises(StoreError, match=r"has tables; it was not overwritten"):
        restore(other, file)
    with pytest.raises(InputFileError, match=r"already exists"):
        back_up(filled, file)


def test_a_restored_database_contains_every_row(
    filled: Database, contract: Contract, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    file = tmp_path / "pmmds.backup"
    if filled.dialect == "sqlite":
        other = open_database(Settings(home=str(tmp_path / "other")))
        check_restored(filled, other, contract, file)
        return
    cluster: Cluster = request.getfixturevalue("postgres_cluster")
    with cluster.fresh_database() as url:
        other = open_database(Settings(database_url=url))
        check_restored(filled, other, contract, file)
        other.close()


def test_a_backup_file_is_private_and_a_failed_backup_leaves_no_file(filled: Database, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "pmmds.backup")
    assert (tmp_path / "pmmds.backup").stat().st_mode & 0o777 == 0o600
    with pytest.raises(InputFileError, match=r"cannot be written"):
        back_up(filled, tmp_path / ("x" * 250))
    assert {p.name for p in (*tmp_path.glob("*backup*"), *tmp_path.glob("x*"), *tmp_path.glob(".*"))} == {
        "pmmds.backup"
    }


@pytest.mark.postgres
@pytest.mark.parametrize("given", ["ann:hunter2@{place}", "{place}?user=ann&password=hunter2"])
def test_no_command_line_contains_the_password(
    given: str, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake pg_dump records its arguments and the password from its environment."""
    owner = open_database(Settings(database_url=postgres_url))
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS ann")
        connection.exec_driver_sql("CREATE ROLE ann LOGIN PASSWORD 'hunter2'")
    owner.close()
    stand_in = tmp_path / "pg_dump"
    stand_in.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\necho "$PGPASSWORD" > {tmp_path}/secret\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    place = postgres_url.rpartition("@")[2]
    database = open_database(Settings(database_url="postgresql://" + given.format(place=place)))
    back_up(database, tmp_path / "pmmds.backup")
    database.close()
    assert "hunter2" not in (tmp_path / "arguments").read_text()
    assert place.partition("/")[2] in (tmp_path / "arguments").read_text()
    assert (tmp_path / "secret").read_text() == "hunter2\n"


@pytest.mark.postgres
def test_only_the_owner_of_the_tables_can_create_a_backup(
    postgres_url: str, contract: Contract, tmp_path: Path
) -> None:
    owner = open_database(Settings(database_url=postgres_url))
    migrate(owner, contract)
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS reader")
        connection.exec_driver_sql("CREATE ROLE reader LOGIN")
    owner.close()
    database = open_database(Settings(database_url=postgres_url.replace("postgres@", "reader@")))
    with pytest.raises(RightMissingError, match=r"pg_dump: permission denied for .*the login that owns the tables"):
        back_up(database, tmp_path / "pmmds.backup")
    database.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_a_backup_is_rejected(
    empty_database: Database, open_again: Callable[[], Database], tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("no backup")
    with pytest.raises(InputFileError, match=r"not a backup of (sqlite|postgresql)"):
        restore(empty_database, tmp_path / "text")
    with pytest.raises(InputFileError, match=r"cannot be read"):
        restore(empty_database, tmp_path / "nowhere")
    assert count_rows(open_again()) == {}


@pytest.mark.parametrize(
    ("revision", "advice"),
    [("9999", "Install the newer PMMDS version"), ("0000", "Run `pmmds db migrate`")],
)
def test_the_error_for_an_older_or_newer_schema_states_the_next_step(
    database: Database, contract: Contract, revision: str, advice: str
) -> None:
    with database.begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    with pytest.raises(SchemaOutdatedError, match=rf"is at revision {revision}, but this program needs .*{advice}"):
        check_schema(database, contract)
