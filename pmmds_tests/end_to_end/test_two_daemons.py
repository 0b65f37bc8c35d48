"""Two real Dagster daemons on one instance: one works, and when it is killed the other takes over.

An alert leads to one retraining by the first, and a slow promotion to one rollback by the second.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from pmmds_assets.leadership import Standing
from pmmds_cli.job_runs import run_job
from pmmds_cli.processes import child_environment, local_processes
from pmmds_core.deployment import Deployment
from pmmds_core.settings import load_settings
from pmmds_core.synthetic import packaged_generator
from pmmds_core.traffic import traffic_rows
from pmmds_tests.assets.house import House
from pmmds_tests.assets.test_rollback_and_approval import log_latencies, production
from pmmds_tests.ports import free_port
from pmmds_tests.serving.running import wait_until

pytestmark = [pytest.mark.process, pytest.mark.faults, pytest.mark.timeout(1800)]

RUN_SECONDS, PAUSE_SECONDS = 600.0, 0.2


@dataclass(frozen=True)
class Daemon:
    """A real daemon with its code server and runs: a process group of its own."""

    process: subprocess.Popen[bytes]
    log: Path

    def has_said(self, standing: Standing) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return f'"standing":"{standing.value}"' in self.log.read_text()

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


@contextmanager
def daemon_of(d: Deployment, log: Path) -> Iterator[Daemon]:
    """As `pmmds up` starts it; ended as a whole."""
    processes = local_processes(d.settings)
    argv = next(p.argv for p in processes if p.name == "dagster-daemon")
    environment = child_environment(d.settings, processes)
    with log.open("wb") as out:
        process = subprocess.Popen(argv, env=environment, stdout=out, stderr=out, start_new_session=True)
    daemon = Daemon(process, log)
    try:
        yield daemon
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            daemon.kill()


def test_an_alert_leads_to_one_retraining_and_a_slow_promotion_to_one_rollback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {
        "PMMDS_HOME": str(tmp_path / "home"),
        "PMMDS_HTTP_PORT": str(free_port()),  # nobody answers there: latency is read from the log
        "PMMDS_ROLLBACK_AUTOMATIC": "on",
        "PMMDS_ROLLBACK_MIN_ROWS": "100",
        "PMMDS_SCHEDULES": "off",  # what is judged, and when, is said below
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    d = Deployment(load_settings(variables)).prepare()
    run_job("train_job", d.settings)
    assert production(d) == "1"
    house = House.build(tmp_path / "home")
    house.log_rows(traffic_rows(packaged_generator(), d.contract, 2500, "migration", seed=5).frame, "m")
    run_job("monitor_job", d.settings, tags=house.window_tags())
    (alert,) = d.alerts.open_alerts()
    instance = dg.DagsterInstance.get()
    with daemon_of(d, tmp_path / "first.log") as first, daemon_of(d, tmp_path / "second.log") as second:
        wait_until(lambda: first.has_said(Standing.LEADS) or second.has_said(Standing.LEADS), RUN_SECONDS)
        at_work, waiting = (first, second) if first.has_said(Standing.LEADS) else (second, first)
        wait_until(lambda: waiting.has_said(Standing.FOLLOWS), RUN_SECONDS)
        wait_until(lambda: bool(d.retrainings.attempts_of(alert.alert_id)), RUN_SECONDS, PAUSE_SECONDS)
        wait_until(lambda: not d.retrainings.running(), RUN_SECONDS, PAUSE_SECONDS)
        (attempt,) = d.retrainings.recent()
        told = (attempt.outcome, attempt.alert_id, attempt.attempt)
        assert told == ("promoted", alert.alert_id, 1), attempt.reason
        wait_until(lambda: _succeeded(instance, "retrain_job") == 1, RUN_SECONDS, PAUSE_SECONDS)
        (promoted,) = [x for x in d.decisions.recent() if x.champion_version == "1"]
        new = promoted.challenger_version
        assert promoted.moved_at is not None
        assert not waiting.has_said(Standing.LEADS)
        at_work.kill()
        log_latencies(d, "1", promoted.moved_at - timedelta(minutes=10), 0.3)
        log_latencies(d, new, promoted.moved_at, 3.0)
        wait_until(lambda: d.decisions.recent(1)[0].kind == "rollback", RUN_SECONDS, PAUSE_SECONDS)
        wait_until(lambda: _succeeded(instance, "rollback_job") == 1, RUN_SECONDS, PAUSE_SECONDS)
        assert waiting.has_said(Standing.LEADS)
    assert production(d) == "1"
    decisions = list(reversed(d.decisions.recent()))
    kinds = [(x.kind, x.challenger_version, x.state) for x in decisions]
    expected = [("promotion", "1", "recorded"), ("promotion", new, "recorded"), ("rollback", "1", "recorded")]
    assert kinds == expected
    assert decisions[-1].changed_by == "automatic rollback"
    assert [x.fencing_token for x in decisions] == [1, 2, 3], "the pointer moved once for each decision"
    runs = {job: instance.get_runs_count(dg.RunsFilter(job_name=job)) for job in ("retrain_job", "rollback_job")}
    assert runs == {"retrain_job": 1, "rollback_job": 1}


def _succeeded(instance: dg.DagsterInstance, job: str) -> int:
    return instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS]))
