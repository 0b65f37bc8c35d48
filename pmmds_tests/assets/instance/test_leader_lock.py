"""Leader election by a lock file, and by a PostgreSQL session that is terminated."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pmmds_assets.instance.daemon import leader_lock_in, wait_for_leadership, watch_leadership
from pmmds_assets.instance.leader_lock import LOCK_FILE, FileLeaderLock, PostgresLeaderLock, Role
from pmmds_tests.harness.leader_sessions import end_leader_sessions, leader_sessions
from pmmds_tests.harness.pgbouncer import pgbouncer
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.postgres import Cluster

LEADER, STANDBY, UNKNOWN = Role.LEADER, Role.STANDBY, Role.UNKNOWN
_HOLDER = """
import sys
from pathlib import Path
from pmmds_assets.instance.leader_lock import FileLeaderLock
lock = FileLeaderLock(Path(sys.argv[1]))
print(lock.try_acquire().value, flush=True)
sys.stdin.read()
"""


class Scripted:
    """A leader lock that returns the given results and repeats the last one."""

    def __init__(self, *answers: Role) -> None:
        self.answers = list(answers)

    def try_acquire(self) -> Role:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def test_a_lock_file_is_held_by_one_process_until_it_is_killed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", _HOLDER, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "leader\n"
            other = FileLeaderLock(tmp_path)
            assert [other.try_acquire(), other.try_acquire()] == [STANDBY, STANDBY]
        finally:
            holder.kill()
    assert [other.try_acquire(), other.try_acquire()] == [LEADER, LEADER]
    assert (tmp_path / LOCK_FILE).exists()
    other.close()
    after = FileLeaderLock(tmp_path)
    assert after.try_acquire() is LEADER
    after.close()


def test_an_unwritable_lock_file_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        FileLeaderLock(tmp_path / "gone").try_acquire()


@pytest.mark.postgres
def test_one_database_session_is_the_leader_until_it_ends(postgres_url: str) -> None:
    first, second = PostgresLeaderLock(postgres_url), PostgresLeaderLock(postgres_url)
    assert [first.try_acquire(), first.try_acquire(), second.try_acquire(), first.try_acquire()] == [
        LEADER,
        LEADER,
        STANDBY,
        LEADER,
    ]
    first.close()
    assert [second.try_acquire(), first.try_acquire()] == [LEADER, STANDBY]
    second.close()


@pytest.mark.postgres
def test_a_leader_that_loses_its_session_regains_a_free_lock(postgres_url: str) -> None:
    first, second = PostgresLeaderLock(postgres_url), PostgresLeaderLock(postgres_url)
    assert first.try_acquire() is LEADER
    assert end_leader_sessions(postgres_url) == 1
    assert [first.try_acquire(), second.try_acquire()] == [LEADER, STANDBY]  # the lock was free for a moment
    assert end_leader_sessions(postgres_url) == 1
    assert [second.try_acquire(), first.try_acquire(), second.try_acquire()] == [LEADER, STANDBY, LEADER]
    first.close()
    second.close()


@pytest.mark.postgres
def test_the_leader_lock_is_a_file_behind_a_connection_pooler(
    postgres_cluster: Cluster, postgres_url: str, tmp_path: Path
) -> None:
    direct = leader_lock_in(postgres_url, tmp_path)
    assert isinstance(direct, PostgresLeaderLock)
    with pgbouncer(postgres_cluster) as port, capture_logs() as logged:
        url = f"postgresql://ann:secret@127.0.0.1:{port}/{postgres_url.rpartition('/')[2]}"
        pooled = leader_lock_in(url, tmp_path)
        assert isinstance(pooled, FileLeaderLock)
        assert pooled.try_acquire() is LEADER
        pooled.close()
    (line,) = logged
    assert (line["event"], line["log_level"]) == ("daemon_lead_of_this_machine", "warning")
    assert leader_sessions(postgres_url) == []


@pytest.mark.postgres
def test_a_dagster_url_with_another_driver_works(postgres_url: str) -> None:
    lock = PostgresLeaderLock(postgres_url.replace("postgresql://", "postgresql+psycopg2://"))
    assert lock.try_acquire() is LEADER
    lock.close()


def test_the_role_is_unknown_if_the_database_is_unreachable() -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/dagster"
    assert PostgresLeaderLock(url).try_acquire() is UNKNOWN


def test_each_change_of_role_is_logged_once() -> None:
    with capture_logs() as logged:
        wait_for_leadership(Scripted(UNKNOWN, UNKNOWN, STANDBY, STANDBY, LEADER), 0.0)
    assert [(line["event"], line["role"]) for line in logged] == [
        ("daemon_lead", "unknown"),
        ("daemon_lead", "standby"),
        ("daemon_lead", "leader"),
    ]


def test_a_daemon_exits_only_if_another_is_the_leader() -> None:
    ended = threading.Event()
    watch_leadership(Scripted(LEADER, UNKNOWN, UNKNOWN, LEADER, STANDBY), 0.0, ended.set)
    assert ended.is_set()
