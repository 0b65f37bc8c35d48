"""Dagster's daemon with leader election: `python -m pmmds_assets.instance.daemon run` takes the options of
`dagster-daemon`.

Two daemons of one instance may start the same queued run, whose steps then run twice. A second daemon waits on standby
and takes over when the leader exits. Not here: how the leader lock is held (leader_lock.py).
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from pmmds_assets.dagster_internals import DAEMON_MODULE
from pmmds_assets.instance.leader_lock import FileLeaderLock, LeaderLock, PostgresLeaderLock, Role
from pmmds_core.config.settings import load_settings
from pmmds_core.errors import PmmdsError
from pmmds_core.runtime.json_logs import configure_logging, get_logger

POLL_SECONDS = 1.0
_MESSAGES = {
    Role.STANDBY: "another daemon of this instance is the leader; this one is on standby until the leader exits",
    Role.UNKNOWN: "Dagster's database does not respond; this daemon waits for it",
    Role.LEADER: "this daemon is the leader",
}
_log = get_logger("dagster-daemon")


def main() -> None:
    """Wait to become the leader, then run Dagster's daemon until it exits or another daemon becomes the leader."""
    try:
        configure_logging(load_settings().log_level)
    except PmmdsError as error:
        raise SystemExit(str(error)) from None
    lock = leader_lock_of_instance()
    with exit_on_sigterm():
        wait_for_leadership(lock, POLL_SECONDS)
    watch = threading.Thread(target=watch_leadership, args=(lock, POLL_SECONDS, end_this_process), daemon=True)
    watch.start()
    runpy.run_module(DAEMON_MODULE, run_name="__main__", alter_sys=True)


def leader_lock_of_instance() -> LeaderLock:
    """Return the leader lock for the instance in DAGSTER_HOME.

    The instance's run storage determines the kind of lock.
    """
    from pmmds_assets.instance.storage import open_instance

    with open_instance(load_settings()) as instance:
        url = getattr(instance.run_storage, "postgres_url", None)
        home = Path(instance.root_directory)
    return FileLeaderLock(home) if url is None else leader_lock_in(url, home)


def leader_lock_in(url: str, dagster_home: Path) -> LeaderLock:
    """Return a PostgreSQL lock, or a lock file if a connection pooler would share the lock's session."""
    lock = PostgresLeaderLock(url)
    if not lock.is_pooled():
        return lock
    _log.warning(
        "daemon_lead_of_this_machine",
        message="Dagster's database is behind a connection pooler, where a session lock is not reliable, so a daemon "
        "on another machine is not detected. Use the database server's own address in Dagster's URL.",
    )
    return FileLeaderLock(dagster_home)


def wait_for_leadership(lock: LeaderLock, poll_seconds: float) -> None:
    """Block until this process becomes the leader, logging each change of role."""
    logged: Role | None = None
    while True:
        role = lock.try_acquire()
        if role is not logged:
            _log.info("daemon_lead", role=role.value, message=_MESSAGES[role])
            logged = role
        if role is Role.LEADER:
            return
        time.sleep(poll_seconds)


def watch_leadership(lock: LeaderLock, poll_seconds: float, on_lost: Callable[[], None]) -> None:
    """Call `on_lost` when another daemon becomes the leader, which cannot happen while the database is down."""
    while lock.try_acquire() is not Role.STANDBY:
        time.sleep(poll_seconds)
    _log.error("daemon_lead_lost", message="another daemon is now the leader of this instance; this one exits")
    on_lost()


def end_this_process() -> None:
    """Send SIGTERM, as a supervisor would, so that Dagster shuts down its code servers."""
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Exit on SIGTERM while waiting, because PID 1 ignores the signal without a handler.

    Dagster installs its own handler later.
    """
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.argv[0] = "dagster-daemon"
    main()
