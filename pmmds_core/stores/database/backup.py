"""Backs up the database to a single file and restores it, using each engine's own tools.

Not here: the archive's Parquet files and MLflow's stores, which are copied as files.
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
from pmmds_core.runtime.progress import Progress, no_progress
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.errors import place_of
from pmmds_core.stores.database.grants import right_missing

_PAGES_PER_STEP = 1_000


def back_up(database: Database, file: Path, on_progress: Progress = no_progress) -> int:
    """Write the database to a new file that only the current user can read.

    The file is a SQLite database or a pg_dump archive in custom format.

    Args:
        database: the database.
        file: the new file.
        on_progress: pages of SQLite; pg_dump does not report its progress.

    Returns:
        The file's size in bytes.

    Raises:
        InputFileError: if the file exists, its folder does not exist, or the file cannot be written.
        RightMissingError: if the current login does not own the tables.
        StoreError: if pg_dump is not installed or fails. No partial file remains.
        DatabaseUnavailableError: if the database cannot be reached.
    """
    if file.exists():
        raise InputFileError(f"{file} already exists and was not overwritten.", next_step="Name a new file.")
    if not file.absolute().parent.is_dir():
        raise InputFileError(
            f"{file} cannot be written: its folder does not exist.", next_step="Create the folder first."
        )
    database.ping()
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        _make_private(unfinished)
    except OSError as error:
        raise InputFileError(f"{file} cannot be written: {error.strerror}.", next_step="Name another path.") from None
    try:
        if database.file is not None:
            _copy(database.file, unfinished, on_progress)
        else:
            _run("pg_dump", database.engine.url, "--format=custom", "--no-owner", "--no-acl", f"--file={unfinished}")
        unfinished.rename(file)
    except sqlite3.Error as error:
        raise StoreError(f"{file} was not written: {error}.", next_step="Check the disk and the database.") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return file.stat().st_size


def restore(database: Database, file: Path, on_progress: Progress = no_progress) -> None:
    """Restore a backup into an empty database. `on_progress`: as in `back_up`.

    Raises:
        InputFileError: if the file cannot be read or is not a backup of this engine.
        StoreError: if the database has tables, or pg_restore is not installed or fails. The database remains unchanged.
    """
    with database.connect() as connection:
        if sa.inspect(connection).get_table_names():
            raise StoreError(
                f"The {database.place} has tables and was not overwritten.",
                next_step="Restore into an empty database: another PMMDS_DATABASE_URL or PMMDS_HOME.",
            )
    start = _start_of(file)
    wanted = b"SQLite format 3\0" if database.dialect == "sqlite" else b"PGDMP"
    if not start.startswith(wanted):
        raise InputFileError(
            f"{file} is not a backup of {database.dialect}.", next_step="Specify a file that `pmmds db backup` wrote."
        )
    if database.file is not None:
        database.close()
        try:
            _copy(file, database.file, on_progress)
        except sqlite3.Error as error:
            raise StoreError(
                f"{file} was not restored: {error}.", next_step="Check that the file is complete."
            ) from None
    else:
        options = ("--no-owner", "--no-acl", "--exit-on-error", "--single-transaction")
        _run("pg_restore", database.engine.url, *options, str(file))


def count_rows(database: Database) -> dict[str, int]:
    """Return the row count of each table. On PostgreSQL, partitions are counted as part of their table."""
    with database.snapshot() as connection:
        names = [n for n in sa.inspect(connection).get_table_names() if not n.startswith("prediction_logs_")]
        count = sa.func.count
        return {n: connection.execute(sa.select(count()).select_from(sa.table(n))).scalar_one() for n in sorted(names)}


def _make_private(path: Path) -> None:
    """Create an empty file that only the current user can read, because it will contain customer data."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _copy(source: Path, target: Path, on_progress: Progress) -> None:
    """Copy with SQLite's online backup, which allows concurrent writers.

    The read transaction keeps one state of the source: otherwise every write by another process would restart the copy.
    """

    def report(_: int, remaining: int, total: int) -> None:
        on_progress(total - remaining, total)

    with closing(sqlite3.connect(source)) as opened, closing(sqlite3.connect(target)) as copy:
        opened.execute("BEGIN")
        opened.execute("SELECT count(*) FROM sqlite_master").fetchone()
        opened.backup(copy, pages=_PAGES_PER_STEP, progress=report)


def _start_of(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(16)
    except OSError as error:
        raise InputFileError(f"{file} cannot be read: {error.strerror}.", next_step="Name a readable file.") from None


def _run(program: str, url: sa.URL, *arguments: str) -> None:
    """Run a PostgreSQL program.

    The password is passed in the environment, so that process lists do not show it.
    """
    if shutil.which(program) is None:
        raise StoreError(
            f"{program} is not installed.", next_step="Install PostgreSQL's client programs (`postgresql-client`)."
        )
    # libpq also accepts a password in the URL's options.
    secret = url.password or "".join(url.normalized_query.get("password", ())[:1])
    plain = sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    plain = plain.difference_update_query(["password"])
    environment = {**os.environ, **({"PGPASSWORD": secret} if secret else {})}
    command: Sequence[str] = (program, f"--dbname={plain.render_as_string(hide_password=False)}", *arguments)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        message = (done.stderr.strip().splitlines() or ["no answer"])[0]
        if "permission denied" in message:
            raise right_missing(place_of(url), f"{program}: {message.rpartition('ERROR:')[2].strip()}", ())
        raise StoreError(f"{program} on the {place_of(url)} failed: {message}.", next_step="Nothing was changed.")
