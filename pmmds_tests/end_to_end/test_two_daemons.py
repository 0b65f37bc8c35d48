"""Two real Dagster daemons share an instance: one is the leader, and the other takes over when it exits.

An alert causes one retraining by the first, and a slow promotion one rollback by the second. After the database is
killed, one daemon keeps working.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from pmmds_assets.instance.dagster_home import dagster_variables
from pmmds_assets.instance.leader_lock import Role
from pmmds_cli.client.job_runner import run_job
from pmmds_core.config.settings import Settings, load_settings
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_core.synthetic.generator import packaged_generator
from pmmds_core.synthetic.scenarios import traffic_rows
from pmmds_tests.assets.test_rollback_and_approval import log_latencies, production
from pmmds_tests.harness.dagster_daemons import Daemon, daemon_of
from pmmds_tests.harness.dagster_platform import DagsterPlatform
from pmmds_tests.harness.leader_sessions import leader_sessions
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.postgres import temporary_cluster
from pmmds_tests.harness.service_process import wait_until

pytestmark = [pytest.mark.process, pytest.mark.faults, pytest.mark.timeout(1800)]


@contextmanager
def two_daemons(settings: Settings, folder: Path) -> Iterator[tuple[Daemon, Daemon]]:
    """The leader and the standby."""
    with daemon_of(settings, folder / "first.log") as first:
        first.wait_for(lambda: first.has_logged(Role.LEADER))
        with daemon_of(settings, folder / "second.log") as second:
            second.wait_for(lambda: second.has_logged(Role.STANDBY))
            yield first, second


def test_two_daemons_run_one_retraining_and_one_rollback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "PMMDS_HOME": str(tmp_path / "home"),
        "PMMDS_HTTP_PORT": str(free_port()),  # nothing listens on this port, so latency is read from the log
        "PMMDS_ROLLBACK_AUTOMATIC": "on",
        "PMMDS_ROLLBACK_MIN_ROWS": "100",
        "PMMDS_SCHEDULES": "off",  # the test runs the jobs itself
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    deployment = Deployment(load_settings(variables)).prepare()
    run_job("train_job", deployment.settings)
    assert production(deployment) == "1"
    platform = DagsterPlatform.build(tmp_path / "home")
    platform.log_rows(traffic_rows(packaged_generator(), deployment.contract, 2500, "migration", seed=5).frame, "m")
    run_job("monitor_job", deployment.settings, tags=platform.window_tags())
    (alert,) = deployment.alerts.open_alerts()
    instance = dg.DagsterInstance.get()
    with two_daemons(deployment.settings, tmp_path) as (at_work, waiting):
        at_work.wait_for(lambda: bool(deployment.retrainings.attempts_of(alert.alert_id)))
        at_work.wait_for(lambda: not deployment.retrainings.running())
        (attempt,) = deployment.retrainings.recent()
        reported = (attempt.outcome, attempt.alert_id, attempt.attempt)
        assert reported == ("promoted", alert.alert_id, 1), attempt.reason
        at_work.wait_for(lambda: _succeeded(instance, "retrain_job") == 1)
        (promoted,) = [x for x in deployment.decisions.recent() if x.champion_version == "1"]
        new = promoted.challenger_version
        assert promoted.moved_at is not None
        assert not waiting.has_logged(Role.LEADER)
        at_work.kill()
        log_latencies(deployment, "1", promoted.moved_at - timedelta(minutes=10), 0.3)
        log_latencies(deployment, new, promoted.moved_at, 3.0)
        waiting.wait_for(lambda: deployment.decisions.recent(1)[0].kind == "rollback")
        waiting.wait_for(lambda: _succeeded(instance, "rollback_job") == 1)
        waiting.wait_for(lambda: waiting.has_logged(Role.LEADER))
    assert production(deployment) == "1"
    decisions = list(reversed(deployment.decisions.recent()))
    kinds = [(x.kind, x.challenger_version, x.state) for x in decisions]
    expected = [("promotion", "1", "recorded"), ("promotion", new, "recorded"), ("rollback", "1", "recorded")]
    assert kinds == expected
    assert decisions[-1].changed_by == "automatic rollback"
    assert [x.fencing_token for x in decisions] == [1, 2, 3], "the pointer moved once for each decision"
    runs = {job: instance.get_runs_count(dg.RunsFilter(job_name=job)) for job in ("retrain_job", "rollback_job")}
    assert runs == {"retrain_job": 1, "rollback_job": 1}


@pytest.mark.postgres
def test_one_daemon_leads_after_postgresql_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with temporary_cluster(syncs=True) as cluster, cluster.fresh_database() as own, cluster.fresh_database() as dagster:
        variables = {
            "PMMDS_HOME": str(tmp_path / "home"),
            "PMMDS_DATABASE_URL": own,
            "PMMDS_DAGSTER_DATABASE_URL": dagster,
            "PMMDS_SCHEDULES": "off",
        }
        settings = load_settings(variables)
        database = open_database(settings)
        migrate(database, Deployment(settings).contract)
        database.close()
        for name, value in {**variables, **dagster_variables(settings)}.items():
            monkeypatch.setenv(name, value)
        with two_daemons(settings, tmp_path) as (before, after), dg.DagsterInstance.get() as instance:
            wait_until(lambda: _newest_heartbeat(instance) > 0, 600)
            cluster.kill()
            cluster.start()
            restarted = time.time()
            wait_until(lambda: _newest_heartbeat(instance) > restarted, 600)
            wait_until(lambda: len(leader_sessions(dagster)) == 1, 600)
            # Either daemon may become the leader. A leader that loses the lock exits.
            if after.has_logged(Role.LEADER) or not before.is_alive:
                wait_until(lambda: not before.is_alive, 120)
                after.wait_for(lambda: after.has_logged(Role.LEADER))
            else:
                before.kill()
                after.wait_for(lambda: after.has_logged(Role.LEADER))
                killed = time.time()
                after.wait_for(lambda: _newest_heartbeat(instance) > killed)


def _newest_heartbeat(instance: dg.DagsterInstance) -> float:
    """Return the timestamp of the latest heartbeat, or 0 if there is none."""
    return max((x.timestamp for x in instance.get_daemon_heartbeats().values()), default=0.0)


def _succeeded(instance: dg.DagsterInstance, job: str) -> int:
    return instance.get_runs_count(dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.SUCCESS]))
