"""The schema of each released version as SQL files, and a description of a database's schema to compare with them.

After a release with a new revision, run `python -m pmmds_tests.harness.released_schemas VERSION`, which writes two
files, and add the version to RELEASES. Never change the files of an earlier release.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import sqlalchemy as sa

from pmmds_core.config.settings import Settings
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.schema import HEAD
from pmmds_tests.harness.postgres import temporary_cluster
from pmmds_tests.harness.schema_revisions import upgrade_to

# The newest schema revision of each released version.
RELEASES = {"0.1.0": "0001"}
_FOLDER = Path(__file__).parents[1] / "core/stores/database/released"
_NOT_DDL = re.compile(r"^(--|SET |SELECT pg_catalog|\\(un)?restrict)")
_POSTGRESQL = {
    "columns": """SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull,
        pg_get_expr(adbin, adrelid) FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped ORDER BY 1, attnum""",
    "relations": """SELECT oid::regclass::text, relkind::text, pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid),
        relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1""",
    "constraints": """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2""",
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    "functions": """SELECT pg_get_functiondef(oid), proacl::text FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace ORDER BY 1""",
}
_SQLITE = {"objects": "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name"}


def describe(database: Database) -> dict[str, list[str]]:
    """Return tables, columns, constraints, indexes, partitions, functions and grants as comparable lines.

    The lines come from the catalog, so that they do not depend on the pg_dump version or on SQL formatting.
    """
    queries = _SQLITE if database.dialect == "sqlite" else _POSTGRESQL
    with database.connect() as connection:
        return {
            part: [_line(row) for row in connection.execute(sa.text(query.replace("::", r"\:\:")))]
            for part, query in queries.items()
        }


def _line(row: sa.Row[tuple[object, ...]]) -> str:
    return " | ".join(re.sub(r"\s+", " ", str(value).replace('"', "")) for value in row)


def create_release(database: Database, version: str) -> None:
    """Create a released version's tables in an empty database."""
    script = schema_file(version, database.dialect).read_text()
    with database.begin() as connection:
        cursor = connection.connection.cursor()
        if database.dialect == "postgresql":
            cursor.execute(script)
        else:
            for statement in script.split(";\n"):
                cursor.execute(statement)


def schema_file(version: str, dialect: str) -> Path:
    return _FOLDER / f"schema-{version}.{dialect}.sql"


def _write(version: str) -> None:
    with tempfile.TemporaryDirectory() as home, temporary_cluster() as cluster, cluster.fresh_database() as url:
        for settings in (Settings(home=home), Settings(home=home, database_url=url)):
            database = open_database(settings)
            upgrade_to(database, HEAD)
            dump = _sqlite_dump(database) if database.dialect == "sqlite" else _postgresql_dump(url)
            database.close()
            file = schema_file(version, database.dialect)
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"{dump}\n\nINSERT INTO alembic_version VALUES ('{HEAD}');\n")


def _sqlite_dump(database: Database) -> str:
    # The tables are in order of creation, so that each table precedes the tables that reference it.
    query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, rowid"
    with database.connect() as connection:
        statements = connection.exec_driver_sql(query).scalars().all()
    return "\n\n".join(re.sub(r" *\n\t", "\n    ", f"{statement};") for statement in statements)


def _postgresql_dump(url: str) -> str:
    command = ["pg_dump", "--schema-only", "--no-owner", url]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line for line in lines if not _NOT_DDL.match(line))).strip()


if __name__ == "__main__":
    _write(sys.argv[1])
