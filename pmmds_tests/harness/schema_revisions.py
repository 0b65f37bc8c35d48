"""Creates databases at a chosen schema revision. Not here: the schemas of releases (released_schemas.py)."""

from __future__ import annotations

from alembic import command
from alembic.config import Config

from pmmds_core.stores.database import schema
from pmmds_core.stores.database.engine import Database


def upgrade_to(database: Database, revision: str) -> None:
    """Run the migrations up to a revision, without adding feature columns to the prediction log."""
    with database.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(schema.SCRIPTS))
        command.upgrade(config, revision)


def set_revision(database: Database, revision: str) -> None:
    """Record a revision without changing tables, as if another version of PMMDS had migrated the database."""
    with database.begin() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
