"""The `pmmds db` commands, which manage the database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pmmds_cli.output.console import JsonOption, print_json
from pmmds_cli.output.exit_codes import ExitCode
from pmmds_cli.output.progress import progress
from pmmds_core.runtime.plurals import counted

if TYPE_CHECKING:
    from pmmds_core.contracts.contract import Contract
    from pmmds_core.stores.database.engine import Database

database_app = typer.Typer(help="Migrate, back up and inspect the database.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(database_app, name="db")
    database_app.command("migrate", epilog="Example: pmmds db migrate")(migrate_database)
    database_app.command("roles", epilog="Example: pmmds db roles --apply")(roles)
    database_app.command("backup", epilog="Example: pmmds db backup pmmds-2026-03-01.backup")(backup)
    database_app.command("restore", epilog="Example: pmmds db restore pmmds-2026-03-01.backup")(restore_database)
    database_app.command("status", epilog="Example: pmmds db status --json")(status)


def _opened() -> tuple[Database, Contract]:
    from pmmds_core.config.settings import load_settings
    from pmmds_core.contracts.contract import load_contract
    from pmmds_core.stores.database.engine import open_database

    settings = load_settings()
    return open_database(settings), load_contract(settings.contract)


def migrate_database(json: JsonOption = False) -> None:
    """Migrate the tables to this version and add the contract's columns. No data is dropped.

    On PostgreSQL, also create the next daily partitions of the prediction log.
    """
    from pmmds_core.stores.database.partitions import keep_days
    from pmmds_core.stores.database.schema import migrate

    database, contract = _opened()
    done = migrate(database, contract)
    made = keep_days(database)
    if made.days:
        done.append(
            f"Created {counted(len(made.days), 'daily partition')} of prediction_logs; moved "
            f"{counted(made.n_moved, 'row')}."
        )
    if json:
        print_json({"done": done})
    else:
        print("\n".join(done) if done else "The tables are up to date.")


def roles(
    apply: Annotated[bool, typer.Option("--apply", help="Execute the statements instead of printing them.")] = False,
) -> None:
    """Print the SQL that creates PostgreSQL's roles for the service, monitoring, promotion and the console."""
    from pmmds_core.errors import UsageError
    from pmmds_core.stores.database import roles as database_roles
    from pmmds_core.stores.database.grants import ROLES

    if not apply:
        print(";\n".join(database_roles.role_statements()) + ";")
        return
    database, _ = _opened()
    if database.dialect != "postgresql":
        raise UsageError(f"The {database.place} has no roles.", next_step="Set PMMDS_DATABASE_URL to PostgreSQL.")
    database_roles.apply(database, with_roles=True)
    print(
        f"Created roles {', '.join(ROLES)} and granted their privileges. "
        "To use a role, grant it to a login: GRANT pmmds_service TO login."
    )


def backup(file: Path) -> None:
    """Back up the database to a new file without downtime. Copy the folder PMMDS_ARCHIVE_PATH separately afterwards."""
    from pmmds_core.stores.database.backup import back_up

    database, _ = _opened()
    with progress("backup") as bar:
        n_bytes = back_up(database, file, bar)
    print(
        f"{file}: {counted(n_bytes, 'byte')} of the {database.place}. Archived predictions are not included; "
        "copy their folder separately."
    )


def restore_database(file: Path) -> None:
    """Restore a backup into an empty database. Fails if the database has tables."""
    from pmmds_core.stores.database.backup import count_rows, restore

    database, _ = _opened()
    with progress("restore") as bar:
        restore(database, file, bar)
    counts = count_rows(database)
    print(
        f"Restored {counted(sum(counts.values()), 'row')} in {counted(len(counts), 'table')} to the {database.place}. "
        "Run `pmmds db migrate` next."
    )


def status(json: JsonOption = False) -> None:
    """Show the schema revision and missing columns. Exits with code 1 if the tables are not up to date."""
    from pmmds_core.stores.database.schema import NEWER, schema_status

    database, contract = _opened()
    found = schema_status(database, contract)
    if json:
        print_json(
            {name: getattr(found, name) for name in found.__dataclass_fields__} | {"is_current": found.is_current}
        )
    else:
        state = "up to date." if found.is_current else "not up to date; run `pmmds db migrate`."
        print(f"Revision {found.revision or 'none'} of {found.head}: {NEWER if found.is_newer else state}")
        for label, columns in (("missing", found.missing_columns), ("not in the contract", found.extra_columns)):
            if columns:
                print(f"  {label}: {', '.join(columns)}")
    if not found.is_current:
        raise typer.Exit(ExitCode.FAILURE)
