"""Dagster's real daemon retrains because labels came, without any alert, and once for them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pmmds_cli.processes import child_environment, local_processes
from pmmds_core.settings import load_settings
from pmmds_core.synthetic import packaged_generator
from pmmds_core.traffic import traffic_rows
from pmmds_tests.assets.house import House, errors_of

SECONDS = 600.0


@contextmanager
def daemon_of(house: House, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon as `pmmds up` starts it, ended by its own id."""
    settings = load_settings(house.environment)
    (process,) = [p for p in local_processes(settings) if p.name == "dagster-daemon"]
    environment = {**child_environment(settings, [process]), **house.environment}
    with log.open("wb") as out:
        daemon = subprocess.Popen(process.argv, env=environment, stdout=out, stderr=out)
        try:
            yield daemon
        finally:
            daemon.terminate()
            daemon.wait(60)


def wait_for(holds: Callable[[], bool], daemon: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert daemon.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()[-4000:]
        time.sleep(0.2)


@pytest.mark.process
@pytest.mark.faults
@pytest.mark.timeout(1800)
def test_labels_alone_make_the_daemon_retrain_once(tmp_path: Path) -> None:
    variables = {"PMMDS_RETRAIN_EVERY_LABELS": "100", "PMMDS_RETRAIN_COOLDOWN_MINUTES": "0.0001"}
    house = House.build(tmp_path, PMMDS_SCHEDULES="off", **variables)
    trained = house.run("train_job")
    assert trained.success, errors_of(trained)
    d = house.deployment
    house.log_rows(traffic_rows(packaged_generator(), d.contract, 150, "none", seed=5).frame, "m")
    log = tmp_path / "daemon.log"
    with daemon_of(house, log) as daemon:
        wait_for(lambda: any(r.finished_at for r in d.retrainings.recent()), daemon, log)
        (run,) = d.retrainings.recent()
        assert (run.trigger_type, run.cause, run.outcome) == ("labels", "labels:v1:1", "blocked_no_labels")
        assert run.n_new_labels == 150
        house.log_rows(traffic_rows(packaged_generator(), d.contract, 120, "none", seed=6).frame, "n")
        wait_for(lambda: len([r for r in d.retrainings.recent() if r.finished_at]) == 2, daemon, log)
    newest = d.retrainings.recent()[0]
    assert (newest.cause, newest.attempt) == ("labels:v1:2", 1)
    assert newest.outcome in ("held", "promoted"), newest.reason
    assert d.alerts.recent() == []
