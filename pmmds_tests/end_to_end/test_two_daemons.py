"""Two real Dagster daemons on one instance: an alert leads to one retraining, and a slow promotion to one rollback.

Dagster wants one daemon: of two, both may start the same queued run, whose steps then run twice. What that must not do
is move the alias twice: the second decision of such a run is aborted, since the champion has changed.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

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


@contextmanager
def daemons(d: Deployment, n_daemons: int, log: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Real daemons with their code servers and runs; each a process group of its own, ended as a whole."""
    processes = local_processes(d.settings)
    argv = next(p.argv for p in processes if p.name == "dagster-daemon")
    environment = child_environment(d.settings, processes)
    started: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(n_daemons):
            with (log / f"daemon-{number}.log").open("wb") as out:
                started.append(subprocess.Popen(argv, env=environment, stdout=out, stderr=out, start_new_session=True))
        yield started
    finally:
        for process in started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in started:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(30)


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
    with daemons(d, 2, tmp_path):
        wait_until(lambda: bool(d.retrainings.attempts_of(alert.alert_id)), RUN_SECONDS, PAUSE_SECONDS)
        wait_until(lambda: not d.retrainings.running(), RUN_SECONDS, PAUSE_SECONDS)
        (attempt,) = d.retrainings.recent()
        assert (attempt.outcome, attempt.alert_id, attempt.attempt) == ("promoted", alert.alert_id, 1)
        wait_until(lambda: production(d) != "1" and not d.decisions.unfinished(), RUN_SECONDS, PAUSE_SECONDS)
        wait_until(lambda: _ended(instance, "retrain_job") == 1, RUN_SECONDS, PAUSE_SECONDS)
        (promoted,) = [x for x in d.decisions.recent() if x.moved_at is not None and x.champion_version == "1"]
        new = promoted.challenger_version
        assert promoted.moved_at is not None
        log_latencies(d, "1", promoted.moved_at - timedelta(minutes=10), 0.3)
        log_latencies(d, new, promoted.moved_at, 3.0)
        wait_until(lambda: d.decisions.recent(1)[0].kind == "rollback", RUN_SECONDS, PAUSE_SECONDS)
        wait_until(lambda: _ended(instance, "rollback_job") == 1, RUN_SECONDS, PAUSE_SECONDS)
    assert production(d) == "1"
    decisions = list(reversed(d.decisions.recent()))
    moved = [x for x in decisions if x.state == "recorded"]
    kinds = [(x.kind, x.challenger_version) for x in moved]
    assert kinds == [("promotion", "1"), ("promotion", new), ("rollback", "1")]
    assert moved[-1].changed_by == "automatic rollback"
    assert [x.fencing_token for x in moved] == [1, 2, 3], "the pointer moved once for each decision"
    others = [(x.state, x.run_id) for x in decisions if x not in moved]
    assert set(others) <= {("aborted", promoted.run_id), ("aborted", moved[-1].run_id)}, "a run that was started twice"
    runs = {job: instance.get_runs_count(dg.RunsFilter(job_name=job)) for job in ("retrain_job", "rollback_job")}
    assert runs == {"retrain_job": 1, "rollback_job": 1}


def _ended(instance: dg.DagsterInstance, job: str) -> int:
    """Runs of a job that ended; of one that was started twice, the steps that were refused may have failed it."""
    statuses = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    return instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=statuses))
