"""Creates PostgreSQL group roles and grants them minimal privileges. Each login becomes a member of one role.

Not here: the list of privileges (grants.py), logins and their passwords (the administrator creates them).
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.grants import (
    CONSOLE,
    GRANTS,
    MONITOR,
    PROMOTER,
    READ_COLUMNS,
    ROLES,
    UPDATED_COLUMNS,
    right_missing,
    rights_of,
)
from pmmds_core.stores.database.identity_tables import fixed

_FUNCTIONS = (
    "pmmds_make_day(date)",
    "pmmds_drop_day(date, text, integer, integer, bigint, text)",
    "pmmds_drop_empty_day(date)",
)
_LACKS = """
SELECT wanted.name, wanted.privilege
FROM unnest(CAST(:names AS text[]), CAST(:rights AS text[])) AS wanted(name, privilege)
WHERE NOT CASE wanted.privilege
    WHEN 'UPDATE' THEN has_any_column_privilege(to_regclass(wanted.name), 'UPDATE')
    ELSE has_table_privilege(to_regclass(wanted.name), wanted.privilege)
END
"""


def role_statements() -> Iterator[str]:
    """Return SQL that creates missing roles and renews all grants.

    The tables' owner runs this SQL and needs CREATEROLE.
    """
    for role in ROLES:
        yield (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') "
            f"THEN CREATE ROLE {role} NOLOGIN; END IF; END $$"
        )
    yield f"GRANT {MONITOR} TO {PROMOTER}"
    yield f"GRANT {PROMOTER} TO {CONSOLE}"
    yield from grant_statements()


def grant_statements() -> Iterator[str]:
    """Return SQL that renews only the grants.

    The tables' owner can run this SQL, and each migration runs it as well.
    """
    all_roles = ", ".join(ROLES)
    yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    yield f"GRANT USAGE ON SCHEMA public TO {all_roles}"
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {all_roles}"
    yield f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM {all_roles}"
    for role, tables in GRANTS.items():
        for table, rights in tables.items():
            yield f"GRANT {_granted(table, rights)} ON {table} TO {role}"
            sequence = _sequence(table)
            if sequence and "INSERT" in rights:
                yield f"GRANT USAGE ON SEQUENCE {sequence} TO {role}"
    for role, columns_of in READ_COLUMNS.items():
        for table, columns in columns_of.items():
            yield f"GRANT SELECT ({', '.join(columns)}) ON {table} TO {role}"
    for function in _FUNCTIONS:
        yield f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC"
        yield f"GRANT EXECUTE ON FUNCTION {function} TO {MONITOR}"


def _granted(table: str, rights: str) -> str:
    columns = UPDATED_COLUMNS.get(table)
    return rights.replace("UPDATE", f"UPDATE ({', '.join(columns)})") if columns else rights


def have_roles(connection: sa.Connection) -> bool:
    """Return True if all roles exist."""
    query = sa.text("SELECT count(*) FROM pg_roles WHERE rolname = ANY(:names)")
    return bool(connection.execute(query, {"names": list(ROLES)}).scalar_one() == len(ROLES))


def apply(database: Database, *, with_roles: bool) -> None:
    """Run the statements in one transaction.

    Args:
        database: a PostgreSQL database that was opened by the tables' owner.
        with_roles: whether to create the roles as well, which needs CREATEROLE.

    Raises:
        DatabaseUnavailableError: if the current user lacks a privilege.
    """
    with database.begin() as connection:
        for statement in role_statements() if with_roles else grant_statements():
            connection.exec_driver_sql(statement.replace("%", "%%"))


def check_rights(database: Database, role: str) -> None:
    """Raise RightMissingError if the current login lacks one of the role's privileges.

    Call this before a task with several steps, so that a missing privilege is reported before anything is written. This
    does nothing on SQLite.
    """
    if database.dialect != "postgresql":
        return
    wanted = [(name, right) for name, rights in rights_of(role).items() for right in sorted(rights - {"EXECUTE"})]
    names, rights = zip(*wanted, strict=True)
    with database.connect() as connection:
        lacks = connection.execute(sa.text(_LACKS), {"names": list(names), "rights": list(rights)}).all()
    if lacks:
        others = f" and {len(lacks) - 1} more privileges" if len(lacks) > 1 else ""
        raise right_missing(database.place, f"no {lacks[0].privilege} on {lacks[0].name}{others}", [role])


def _sequence(table: str) -> str:
    """Return the name of the sequence for the table's integer key, or an empty string if there is none."""
    definition = fixed.tables.get(table)
    key = [] if definition is None else list(definition.primary_key.columns)
    has_sequence = len(key) == 1 and isinstance(key[0].type, sa.Integer) and not key[0].foreign_keys
    return f"{table}_{key[0].name}_seq" if has_sequence else ""
