"""Databases of every earlier revision, with a row in each of their tables: migrated, every row is there as it was.

Add to `CHANGED` what a migration changes on purpose; its own test in test_schema.py says how.
"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.schema import HEAD, check_schema, migrate
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_tests.harness.earlier_databases import follow_contract, upgrade_to
from pmmds_tests.harness.prediction_records import NOON

OLDER = [f"{number:04d}" for number in range(1, int(HEAD))]
# Table and column of the values that differ afterwards.
CHANGED: set[tuple[str, str]] = set()
# The first has the revision; the second is filled with the contract.
LEFT_OUT = ("alembic_version", "contract_columns")
Row = dict[str, Any]


def tables_of(database: Database) -> list[sa.Table]:
    """As they stand in the database, parents first; those that hold rows of PMMDS."""
    found = sa.MetaData()
    with database.connect() as connection:
        found.reflect(connection)
    return [t for t in found.sorted_tables if t.name not in LEFT_OUT and not t.name.startswith("prediction_logs_")]


def value_of(column: sa.Column[Any]) -> Any:
    """One that the column takes; keys of two tables meet, because values of one type are alike."""
    if isinstance(column.type, sa.Boolean):
        return True
    if isinstance(column.type, sa.Integer):
        return 1
    if isinstance(column.type, sa.Float | sa.Numeric):
        return 0.25
    if isinstance(column.type, sa.DateTime):
        return NOON.replace(tzinfo=None, microsecond=250_000)
    return "1"


def filled(database: Database) -> dict[str, Row]:
    """A row in every table; table → row."""
    rows: dict[str, Row] = {}
    with database.begin() as connection:
        for table in tables_of(database):
            row = {c.name: value_of(c) for c in table.columns}
            connection.execute(sa.insert(table).values(row))
            rows[table.name] = row
    return rows


@pytest.mark.parametrize("revision", OLDER)
def test_every_row_of_an_older_database_is_there_afterwards(
    revision: str, empty_database: Database, contract: Contract
) -> None:
    upgrade_to(empty_database, revision)
    follow_contract(empty_database, contract, NOON)
    before = filled(empty_database)
    assert len(before) >= 13
    migrate(empty_database, contract)
    check_schema(empty_database, contract)
    after = {table.name: table for table in tables_of(empty_database)}
    assert set(before) <= set(after)
    with empty_database.connect() as connection:
        for name, row in before.items():
            found = [dict(r) for r in connection.execute(sa.select(after[name])).mappings()]
            kept = {column for column in row if (name, column) not in CHANGED}
            assert {c: row[c] for c in kept} in [{c: f.get(c) for c in kept} for f in found], name
    assert PredictionLog(empty_database, contract).count() == 1
