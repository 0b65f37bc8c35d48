"""Checks and migrates the schema: fixed tables by Alembic revisions, feature columns by the contract.

After adding a revision to `migrations/versions`, set HEAD. Not here: table definitions (tables.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pmmds_core.contracts.contract import Contract, Feature
from pmmds_core.errors import SchemaNewerError, SchemaOutdatedError
from pmmds_core.runtime.plurals import counted
from pmmds_core.stores.database.engine import Database, limit_lock_wait
from pmmds_core.stores.database.errors import MIGRATE
from pmmds_core.stores.database.partitions import LOCK_TIMEOUT_SECONDS, make_days
from pmmds_core.stores.database.roles import grant_statements, have_roles
from pmmds_core.stores.database.tables import contract_columns, prediction_logs

# The newest revision. Repeated here so that a check does not import Alembic; a test compares the two.
HEAD = "0001"
SCRIPTS = Path(__file__).parent / "migrations"
_FIRST_MIGRATION_LOCK = 0x706D6D6D67  # advisory lock number; used only until there is a table to lock
NEWER = "Install the newer PMMDS version that migrated it."
_ANOTHER_DATABASE = "Use a separate database for this contract: another PMMDS_HOME or PMMDS_DATABASE_URL."


@dataclass(frozen=True)
class SchemaStatus:
    """The state of a database's schema. `revision` is None for an empty database; columns are those of prediction_logs.

    `changed_columns`: features whose logged type differs from the contract's.
    """

    revision: str | None
    head: str
    missing_columns: tuple[str, ...]
    extra_columns: tuple[str, ...]
    changed_columns: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        columns = (*self.missing_columns, *self.extra_columns, *self.changed_columns)
        return self.revision == self.head and not columns

    @property
    def is_newer(self) -> bool:
        """True if a newer PMMDS migrated the database."""
        return self.revision is not None and self.revision > self.head


def migrate(database: Database, contract: Contract) -> list[str]:
    """Upgrade the tables to HEAD and the log's columns to the contract; does nothing if both are current.

    Runs in one transaction behind a lock: concurrent calls are safe, and a failure changes nothing. On PostgreSQL it
    also creates the prediction log's next daily partitions.

    Returns:
        A sentence for each change.

    Raises:
        SchemaNewerError: a newer PMMDS migrated the database.
        SchemaOutdatedError: the change would lose data.
    """
    if schema_status(database, contract).is_current:
        return []
    with database.begin() as connection:
        if database.dialect == "postgresql":
            # An idle transaction would block the table changes, which in turn would block new rows.
            limit_lock_wait(connection, LOCK_TIMEOUT_SECONDS)
            _lock_migrations(connection)
        done = _upgrade(connection, database.place) + _follow_contract(connection, contract)
        if database.dialect == "postgresql":
            make_days(connection)
            if have_roles(connection):  # newly created tables have no grants yet
                for statement in grant_statements():
                    connection.exec_driver_sql(statement)
        return done


def _lock_migrations(connection: sa.Connection) -> None:
    """Serialize migrations. Only the owner can lock Alembic's version table; readers are not blocked."""
    if not sa.inspect(connection).has_table("alembic_version"):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_FIRST_MIGRATION_LOCK)))
    if sa.inspect(connection).has_table("alembic_version"):  # another process may have just created it
        connection.exec_driver_sql("LOCK TABLE alembic_version IN EXCLUSIVE MODE")


def check_schema(database: Database, contract: Contract) -> None:
    """Check the schema.

    Raises SchemaOutdatedError, or its subclass SchemaNewerError, if it does not match this program.
    """
    status = schema_status(database, contract)
    if status.is_current:
        return
    if status.is_newer:
        raise SchemaNewerError(_revision_differs(database.place, status), next_step=NEWER)
    if status.revision != status.head:
        raise SchemaOutdatedError(_revision_differs(database.place, status), next_step=MIGRATE)
    differs = _columns_differ(status)
    raise SchemaOutdatedError(
        f"prediction_logs in {database.place} does not match the contract {contract.name!r}: {differs}.",
        next_step=MIGRATE,
    )


def schema_status(database: Database, contract: Contract) -> SchemaStatus:
    """Compare the database's schema with HEAD and with the contract."""
    with database.connect() as connection:
        revision = _revision(connection)
        logged = {} if revision is None else _logged_columns(connection)
    wanted = {f.name: f.type for f in contract.features}
    return SchemaStatus(
        revision=revision,
        head=HEAD,
        missing_columns=tuple(name for name in wanted if name not in logged),
        extra_columns=tuple(name for name in logged if name not in wanted),
        changed_columns=tuple(name for name, kind in wanted.items() if logged.get(name, kind) != kind),
    )


def _revision_differs(place: str, status: SchemaStatus) -> str:
    if status.revision is None:
        return f"The {place} has no tables yet."
    return f"The {place} is at revision {status.revision}, but this program needs {status.head}."


def _columns_differ(status: SchemaStatus) -> str:
    parts = {"missing": status.missing_columns, "not in it": status.extra_columns, "type": status.changed_columns}
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in parts.items() if names)


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def _logged_columns(connection: sa.Connection) -> dict[str, str]:
    rows = connection.execute(sa.select(contract_columns.c.feature, contract_columns.c.type))
    return {row.feature: row.type for row in rows}


def _upgrade(connection: sa.Connection, place: str) -> list[str]:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    before = _revision(connection)
    if before == HEAD:
        return []
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    revisions = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if before is not None and before not in revisions:
        raise SchemaNewerError(
            f"The {place} is at revision {before}, which this program does not support.",
            next_step=NEWER,
        )
    command.upgrade(config, HEAD)
    return [f"Created the tables (revision {HEAD})." if before is None else f"Upgraded from {before} to {HEAD}."]


def _follow_contract(connection: sa.Connection, contract: Contract) -> list[str]:
    logged = _logged_columns(connection)
    present = {c["name"]: _kind(c["type"]) for c in sa.inspect(connection).get_columns("prediction_logs")}
    dropped = [name for name in logged if name not in contract.by_name]
    changed = [f for f in contract.features if logged.get(f.name, f.type) != f.type]
    _check_no_loss(connection, contract, dropped, changed, logged)
    for name in (*dropped, *(f.name for f in changed)):
        _drop(connection, name)
        present.pop(name)
    removed = {*dropped, *(f.name for f in changed)}
    new = [f for f in contract.features if f.name not in logged or f.name in removed]
    for feature in new:
        _add(connection, contract, feature, present)
    added = [f.name for f in new]
    return [*_changed_columns("Removed", "from", sorted(removed)), *_changed_columns("Added", "to", added)]


def _check_no_loss(
    connection: sa.Connection, contract: Contract, dropped: list[str], changed: list[Feature], logged: dict[str, str]
) -> None:
    """Raises SchemaOutdatedError if columns would be dropped while the log has rows."""
    if not dropped and not changed:
        return
    if connection.execute(sa.select(sa.exists().select_from(prediction_logs(contract)))).scalar_one() is False:
        return
    reasons = [f"the contract no longer has the feature {name}" for name in dropped]
    reasons += [f"{f.name} is logged as {logged[f.name]} but the contract defines {f.type}" for f in changed]
    raise SchemaOutdatedError(
        f"prediction_logs has rows that would lose data: {'; '.join(reasons)}. Nothing was changed.",
        next_step=_ANOTHER_DATABASE,
    )


def _drop(connection: sa.Connection, name: str) -> None:
    quoted = connection.dialect.identifier_preparer.quote(name)
    connection.exec_driver_sql(f"ALTER TABLE prediction_logs DROP COLUMN {quoted}")
    connection.execute(sa.delete(contract_columns).where(contract_columns.c.feature == name))


def _add(connection: sa.Connection, contract: Contract, feature: Feature, present: dict[str, str]) -> None:
    present_type = present.get(feature.name)
    if present_type is not None and present_type != feature.type:
        raise SchemaOutdatedError(
            f"prediction_logs already has a column {feature.name} of type {present_type}; the contract defines "
            f"{feature.type}. "
            "Nothing was changed.",
            next_step=_ANOTHER_DATABASE,
        )
    if present_type is None:
        column = sa.schema.CreateColumn(prediction_logs(contract).c[feature.name]).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE prediction_logs ADD COLUMN {column}")
    row = {"feature": feature.name, "type": feature.type, "added_at": datetime.now(UTC)}
    connection.execute(sa.insert(contract_columns).values(row))


def _kind(type_: sa.types.TypeEngine[Any]) -> str:
    """Return the contract's name for a column's type."""
    if isinstance(type_, sa.Integer):
        return "integer"
    if isinstance(type_, sa.Numeric | sa.Float):
        return "float"
    return "string" if isinstance(type_, sa.String) else str(type_)


def _changed_columns(verb: str, preposition: str, names: list[str]) -> list[str]:
    if not names:
        return []
    return [f"{verb} {counted(len(names), 'column')} {preposition} prediction_logs: {', '.join(names)}."]
