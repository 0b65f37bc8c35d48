"""Only one training run holds the lock, which is released if its process is killed. Waiting runs report the holder."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.errors import TrainingError
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.lifecycle.training_lock import hold_training_lock

MODEL = "churn-classifier"
_HOLDER = """
import sys
from pmmds_core.config.settings import Settings
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.lifecycle.training_lock import hold_training_lock
database = open_database(Settings(home=sys.argv[1], database_url=sys.argv[2]))
with hold_training_lock(database, "churn-classifier", "first-run", on_wait=print):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_training_run_waits_until_the_lock_holder_exits(database: Database, database_settings: Settings) -> None:
    s, said = database_settings, list[str]()
    argv = [sys.executable, "-c", _HOLDER, s.home, s.database_url]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with (
                pytest.raises(TrainingError, match=rf"run first-run, process {holder.pid} on "),
                hold_training_lock(database, MODEL, "second-run", on_wait=said.append, wait_seconds=0),
            ):
                pytest.fail("two training runs held the lock at once")
        finally:
            holder.kill()
    with hold_training_lock(database, MODEL, "third-run", on_wait=said.append, wait_seconds=120):
        pass
    with hold_training_lock(database, MODEL, "fourth-run", on_wait=said.append, wait_seconds=120):
        pass
