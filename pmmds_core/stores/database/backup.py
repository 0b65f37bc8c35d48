"""The whole database into one file and back: by each engine's own means, whole or not at all.

Keep out: the archive's Parquet files and MLflow's stores, which are copied as files.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from pmmds_core.errors import InputFileError, StoreError
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.errors import place_of
from pmmds_core.stores.database.grants import right_missing


def back_up(database: Database, file: Path) -> int:
    """Write everything to a new file that only this user reads: SQLite's format, or pg_dump's custom format.

    Returns:
        Its bytes.

    Raises:
        InputFileError: the file is there, or its folder is not, or cannot be written.
        RightMissingError: this login does not own the tables.
        StoreError: pg_dump is not installed, or what it says; nothing is left behind.
        DatabaseUnavailableError: the database is away.
    """
    if file.exists():
        raise InputFileError(f"{file} is there already; it was not overwritten.", next_step="Name a new file.")
    if not file.absolute().parent.is_dir():
        raise InputFileError(f"{file} cannot be written: its folder is not there.", next_step="Make the folder first.")
    database.ping()
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        _make_private(unfinished)
    except OSError as error:
        raise InputFileError(f"{file} cannot be written: {error.strerror}.", next_step="Name another place.") from None
    try:
        if database.dialect == "sqlite":
            _copy(Path(str(database.engine.url.database)), unfinished)
        else:
            _run("pg_dump", database.engine.url, "--format=custom", "--no-owner", "--no-acl", f"--file={unfinished}")
        unfinished.rename(file)
    except sqlite3.Error as error:
        raise StoreError(f"{file} was not written: {error}.", next_step="Check the disk and the database.") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return file.stat().st_size


def restore(database: Database, file: Path) -> None:
    """Bring an empty database to what a file holds.

    Raises:
        InputFileError: no such file, or not a backup of this engine.
        StoreError: the database has tables, pg_restore is not installed, or what it says; nothing was changed.
    """
    with database.connect() as connection:
        if sa.inspect(connection).get_table_names():
            raise StoreError(
                f"The {database.place} has tables; it was not overwritten.",
                next_step="Restore into an empty database: another PMMDS_DATABASE_URL or PMMDS_HOME.",
            )
    start = _start_of(file)
    wanted = b"SQLite format 3\0" if database.dialect == "sqlite" else b"PGDMP"
    if not start.startswith(wanted):
        raise InputFileError(
            f"{file} is no backup of {database.dialect}.", next_step="Name a file of `pmmds db backup`."
        )
    if database.dialect == "sqlite":
        database.close()
        try:
            _copy(file, Path(str(database.engine.url.database)))
        except sqlite3.Error as error:
            raise StoreError(f"{file} was not restored: {error}.", next_step="Is the file whole?") from None
    else:
        options = ("--no-owner", "--no-acl", "--exit-on-error", "--single-transaction")
        _run("pg_restore", database.engine.url, *options, str(file))


def count_rows(database: Database) -> dict[str, int]:
    """How many rows each table has; PostgreSQL's partitions are counted with their table."""
    with database.snapshot() as connection:
        names = [n for n in sa.inspect(connection).get_table_names() if not n.startswith("prediction_logs_")]
        count = sa.func.count
        return {n: connection.execute(sa.select(count()).select_from(sa.table(n))).scalar_one() for n in sorted(names)}


def _make_private(path: Path) -> None:
    """An empty file that nobody else reads: what is written into it are customers' rows."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _copy(source: Path, target: Path) -> None:
    """SQLite's own copying, which others may write beside."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def _start_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(16)
    except OSError as error:
        raise InputFileError(f"{file} cannot be read: {error.strerror}.", next_step="Name a readable file.") from None


def _run(program: str, url: sa.URL, *arguments: str) -> None:
    """A program of PostgreSQL; the password goes by the environment, where no list of processes shows it."""
    if shutil.which(program) is None:
        raise StoreError(
            f"{program} is not installed.", next_step="Install PostgreSQL's client programs (`postgresql-client`)."
        )
    # libpq takes a password among the URL's options, too.
    secret = url.password or "".join(url.normalized_query.get("password", ())[:1])
    plain = sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    plain = plain.difference_update_query(["password"])
    environment = {**os.environ, **({"PGPASSWORD": secret} if secret else {})}
    command: Sequence[str] = (program, f"--dbname={plain.render_as_string(hide_password=False)}", *arguments)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["no answer"])[0]
        if "permission denied" in said:
            raise right_missing(place_of(url), f"{program}: {said.rpartition('ERROR:')[2].strip()}", ())
        raise StoreError(f"{program} on the {place_of(url)} failed: {said}.", next_step="Nothing was changed.")
