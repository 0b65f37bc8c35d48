"""Databases of released versions: the schemas are frozen, and migrating to the newest revision keeps every row.

Add intended changes of a migration to `CHANGED`, and test each of them separately.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.schema import check_schema, migrate, schema_status
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.postgres import Cluster
from pmmds_tests.harness.prediction_records import NOON
from pmmds_tests.harness.released_schemas import RELEASES, create_release, describe
from pmmds_tests.harness.schema_revisions import upgrade_to

# Tables and columns whose values a migration changes on purpose.
CHANGED: set[tuple[str, str]] = set()
# alembic_version contains the revision, and the contract determines the content of contract_columns.
WITHOUT_ROWS = ("alembic_version", "contract_columns")
Row = dict[str, Any]


def tables_of(database: Database) -> list[sa.Table]:
    """Return the tables to compare, parents first and without partitions."""
    tables = sa.MetaData()
    with database.connect() as connection:
        tables.reflect(connection)
    return [t for t in tables.sorted_tables if t.name not in WITHOUT_ROWS and not t.name.startswith("prediction_logs_")]


def value_of(column: sa.Column[Any]) -> Any:
    """Return a valid value for the column. All columns of a type get the same value, so that foreign keys match."""
    if isinstance(column.type, sa.Boolean):
        return True
    if isinstance(column.type, sa.Integer):
        return 1
    if isinstance(column.type, sa.Float | sa.Numeric):
        return 0.25
    if isinstance(column.type, sa.DateTime):
        return NOON.replace(tzinfo=None, microsecond=250_000)
    return "1"


def add_rows(database: Database) -> dict[str, Row]:
    """Insert a row into every table. Returns the rows by table name."""
    rows: dict[str, Row] = {}
    with database.begin() as connection:
        for table in tables_of(database):
            rows[table.name] = {c.name: value_of(c) for c in table.columns}
            connection.execute(sa.insert(table).values(rows[table.name]))
    return rows


@pytest.fixture
def other_database(database_settings: Settings, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A second empty database on the same database engine."""
    with ExitStack() as stack:
        settings = Settings(home=str(tmp_path / "other"))
        if database_settings.database_url:
            cluster: Cluster = request.getfixturevalue("postgres_cluster")
            settings = Settings(database_url=stack.enter_context(cluster.fresh_database()))
        database = open_database(settings)
        stack.callback(database.close)
        yield database


@pytest.mark.parametrize("version", RELEASES)
def test_the_revisions_of_a_release_still_create_the_released_schema(
    version: str, empty_database: Database, other_database: Database
) -> None:
    create_release(empty_database, version)
    upgrade_to(other_database, RELEASES[version])
    assert describe(other_database) == describe(empty_database)


@pytest.mark.parametrize("version", RELEASES)
def test_migrating_a_released_database_keeps_its_rows(
    version: str, empty_database: Database, contract: Contract
) -> None:
    create_release(empty_database, version)
    assert schema_status(empty_database, contract).revision == RELEASES[version]
    before = add_rows(empty_database)
    assert len(before) >= 22
    migrate(empty_database, contract)
    check_schema(empty_database, contract)
    after = {table.name: table for table in tables_of(empty_database)}
    with empty_database.connect() as connection:
        for name, row in before.items():
            rows = [dict(r) for r in connection.execute(sa.select(after[name])).mappings()]
            columns = {column for column in row if (name, column) not in CHANGED}
            assert {c: row[c] for c in columns} in [{c: r.get(c) for c in columns} for r in rows], name
    assert PredictionLog(empty_database, contract).count() == 1


@pytest.mark.parametrize("version", RELEASES)
def test_a_migrated_database_has_the_same_schema_as_a_new_database(
    version: str, empty_database: Database, other_database: Database, contract: Contract
) -> None:
    create_release(empty_database, version)
    for database in (empty_database, other_database):
        migrate(database, contract)
    assert describe(empty_database) == describe(other_database)
