"""The training lock: at most one training at a time per deployment, from reading data to promotion.

The process of the run holds it, as a PostgreSQL session or a lock file next to the SQLite file; it is released when
the process ends. A table records the holder, so that waiting runs can report it. Not here: which runs need it
(pmmds_assets/training_runs.py).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from pmmds_core.errors import HomeNotWritableError, TrainingError
from pmmds_core.runtime.file_lock import try_lock_file
from pmmds_core.stores.database.dialects import insert
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.database.errors import translate
from pmmds_core.stores.database.session_lock import SessionLock
from pmmds_core.stores.database.tables import training_lock

# The maximum duration of a training run; waiting longer would only build up a queue.
WAIT_SECONDS = 1800.0
_POLL_SECONDS = 0.5


class _Lock(Protocol):
    def try_acquire(self) -> bool: ...

    def release(self) -> None: ...


class _FileLock:
    """A lock file for deployments on SQLite, which run on a single machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock: IO[str] | None = None

    def try_acquire(self) -> bool:
        try:
            self._lock = self._lock or try_lock_file(self._path)
        except OSError as error:
            raise HomeNotWritableError(
                f"The lock file {self._path} cannot be written: {error.strerror}.",
                next_step="Make its folder writable by this user.",
            ) from None
        return self._lock is not None

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


@contextmanager
def hold_training_lock(
    database: Database,
    model_name: str,
    run_id: str,
    *,
    on_wait: Callable[[str], None],
    wait_seconds: float = WAIT_SECONDS,
) -> Iterator[None]:
    """Hold the lock until the block ends; if another run holds it, wait.

    Args:
        database: the deployment's database.
        model_name: the model to train.
        run_id: id of the Dagster run.
        on_wait: called with one sentence for each holder that this run waits for.
        wait_seconds: the maximum wait.

    Raises:
        TrainingError: other runs held it for that long; the message names the holder.
        RightMissingError: this login may not train.
        DatabaseUnavailableError: the database cannot be reached.
    """
    lock = _lock_of(database)
    _acquire(database, lock, model_name, on_wait, wait_seconds)
    try:
        _name_holder(database, model_name, run_id)
        yield
    finally:
        lock.release()


def _lock_of(database: Database) -> _Lock:
    if database.file is None:
        return SessionLock(database.engine.url, training_lock.name)
    return _FileLock(database.file.with_name(f"{database.file.name}.training.lock"))


def _acquire(
    database: Database, lock: _Lock, model_name: str, on_wait: Callable[[str], None], wait_seconds: float
) -> None:
    deadline, reported = time.monotonic() + wait_seconds, ""
    while not _try(database, lock):
        holder = _holder(database, model_name)
        if time.monotonic() > deadline:
            raise TrainingError(
                f"Another training of {model_name} is running: {holder}. Only one can run at a time.",
                next_step="Retry when it has finished.",
            )
        if holder != reported:
            on_wait(f"Waiting for another training of {model_name}: {holder}.")
            reported = holder
        time.sleep(_POLL_SECONDS)


def _try(database: Database, lock: _Lock) -> bool:
    try:
        return lock.try_acquire()
    except DBAPIError as error:
        translated = translate(error, database.engine.url)
        if translated is None:
            raise
        raise translated from error


def _name_holder(database: Database, model_name: str, run_id: str) -> None:
    holder = f"process {os.getpid()} on {socket.gethostname()}"[:255]
    values = {"run_id": run_id, "holder": holder, "locked_at": datetime.now(UTC)}
    with database.begin() as connection:
        named = insert(connection, training_lock).values(model_name=model_name, **values)
        connection.execute(named.on_conflict_do_update(index_elements=["model_name"], set_=values))


def _holder(database: Database, model_name: str) -> str:
    query = sa.select(training_lock).where(training_lock.c.model_name == model_name)
    with database.connect() as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        return "a run that has just started"
    return f"run {row['run_id']}, {row['holder']}, since {row['locked_at']:%Y-%m-%d %H:%M:%S} UTC"
