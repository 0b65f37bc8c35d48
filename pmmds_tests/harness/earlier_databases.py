"""Databases as an earlier version of PMMDS made them. Keep out: what is asserted about their migration."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.schema import SCRIPTS
from pmmds_core.stores.database.tables import fixed, prediction_logs


def upgrade_to(database: Database, revision: str) -> None:
    """Run the migrations up to a revision; the contract has no columns yet."""
    from alembic import command
    from alembic.config import Config

    with database.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(SCRIPTS))
        command.upgrade(config, revision)


def follow_contract(database: Database, contract: Contract, added_at: datetime) -> None:
    """Give the log the contract's columns, as every version has done after its migrations."""
    table = prediction_logs(contract)
    with database.begin() as connection:
        for feature in contract.features:
            column = sa.schema.CreateColumn(table.c[feature.name]).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE prediction_logs ADD COLUMN {column}")
            row = {"feature": feature.name, "type": feature.type, "added_at": added_at}
            connection.execute(sa.insert(fixed.tables["contract_columns"]).values(row))
