"""Dagster's daemon where one works at a time: `python -m pmmds_assets.instance.daemon run` with `dagster-daemon`'s
own options.

Two daemons of one instance may start the same queued run, whose steps then run twice. A second one waits here, and
takes over when the first has ended. Keep out: how the lead is held (leadership.py).
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

from pmmds_assets.instance.leadership import FileLeadership, Leadership, PostgresLeadership, Standing
from pmmds_core.config.settings import load_settings
from pmmds_core.errors import PmmdsError
from pmmds_core.runtime.json_logs import configure_logging, get_logger

ASK_SECONDS = 1.0
_WORDS = {
    Standing.FOLLOWS: "another daemon of this instance works; this one waits until it has ended",
    Standing.UNKNOWN: "Dagster's database does not answer; this daemon waits for it",
    Standing.LEADS: "this daemon works for the instance",
}
_log = get_logger("dagster-daemon")


def main() -> None:
    """Wait for the lead, then be Dagster's daemon until it ends or the lead is another's."""
    try:
        configure_logging(load_settings().log_level)
    except PmmdsError as error:
        raise SystemExit(str(error)) from None
    leadership = leadership_of_instance()
    with ended_by_signal():
        wait_for_lead(leadership, ASK_SECONDS)
    keep = threading.Thread(target=keep_lead, args=(leadership, ASK_SECONDS, end_this_process), daemon=True)
    keep.start()
    runpy.run_module("dagster._daemon", run_name="__main__", alter_sys=True)


def leadership_of_instance() -> Leadership:
    """Of the instance in DAGSTER_HOME, by what it keeps its runs in."""
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        url = getattr(instance.run_storage, "postgres_url", None)
        home = Path(instance.root_directory)
    return FileLeadership(home) if url is None else leadership_in(url, home)


def leadership_in(url: str, dagster_home: Path) -> Leadership:
    """In a PostgreSQL; of this machine alone where a pooler would give the lock to whoever comes next."""
    leadership = PostgresLeadership(url)
    if not leadership.is_pooled():
        return leadership
    _log.warning(
        "daemon_lead_of_this_machine",
        message="Dagster's database is behind a pooler, where no lock can be kept: a daemon on another machine is not "
        "noticed. Let Dagster's URL name the server itself.",
    )
    return FileLeadership(dagster_home)


def wait_for_lead(leadership: Leadership, ask_seconds: float) -> None:
    """Return once this process leads; says what it waits for whenever that changes."""
    said: Standing | None = None
    while True:
        standing = leadership.ask()
        if standing is not said:
            _log.info("daemon_lead", standing=standing.value, message=_WORDS[standing])
            said = standing
        if standing is Standing.LEADS:
            return
        time.sleep(ask_seconds)


def keep_lead(leadership: Leadership, ask_seconds: float, when_lost: Callable[[], None]) -> None:
    """Ask until another daemon leads. While the database is away nobody can lead, nor any daemon work."""
    while leadership.ask() is not Standing.FOLLOWS:
        time.sleep(ask_seconds)
    _log.error("daemon_lead_lost", message="another daemon has taken the lead of this instance; this one ends")
    when_lost()


def end_this_process() -> None:
    """As its supervisor would; Dagster lets its code servers end."""
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def ended_by_signal() -> Iterator[None]:
    """A container's first process is deaf to SIGTERM unless it listens; Dagster listens for itself afterwards."""
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.argv[0] = "dagster-daemon"
    main()
