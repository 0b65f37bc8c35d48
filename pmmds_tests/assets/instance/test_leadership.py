"""Which daemon of an instance works: by a lock file, and by a session of a real PostgreSQL that comes and goes."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pmmds_assets.instance.daemon import keep_lead, leadership_in, wait_for_lead
from pmmds_assets.instance.leadership import LOCK_FILE, FileLeadership, PostgresLeadership, Standing
from pmmds_tests.harness.leader_sessions import end_sessions_with_the_lead, sessions_with_the_lead
from pmmds_tests.harness.pgbouncer import pgbouncer
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.postgres import Cluster

LEADS, FOLLOWS, UNKNOWN = Standing.LEADS, Standing.FOLLOWS, Standing.UNKNOWN
_HOLDER = """
import sys
from pathlib import Path
from pmmds_assets.instance.leadership import FileLeadership
lead = FileLeadership(Path(sys.argv[1]))
print(lead.ask().value, flush=True)
sys.stdin.read()
"""


class Scripted:
    """A lead whose answers are given; the last one stays."""

    def __init__(self, *answers: Standing) -> None:
        self.answers = list(answers)

    def ask(self) -> Standing:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def test_a_lock_file_is_one_process_s_until_it_is_killed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", _HOLDER, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "leads\n"
            other = FileLeadership(tmp_path)
            assert [other.ask(), other.ask()] == [FOLLOWS, FOLLOWS]
        finally:
            holder.kill()
    assert [other.ask(), other.ask()] == [LEADS, LEADS]
    assert (tmp_path / LOCK_FILE).exists()
    other.close()
    after = FileLeadership(tmp_path)
    assert after.ask() is LEADS
    after.close()


def test_a_lock_file_that_cannot_be_written_is_no_lead(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        FileLeadership(tmp_path / "gone").ask()


@pytest.mark.postgres
def test_one_session_of_a_database_leads_until_it_ends(postgres_url: str) -> None:
    first, second = PostgresLeadership(postgres_url), PostgresLeadership(postgres_url)
    assert [first.ask(), first.ask(), second.ask(), first.ask()] == [LEADS, LEADS, FOLLOWS, LEADS]
    first.close()
    assert [second.ask(), first.ask()] == [LEADS, FOLLOWS]
    second.close()


@pytest.mark.postgres
def test_who_lost_its_session_leads_again_only_where_nobody_took_the_lead(postgres_url: str) -> None:
    first, second = PostgresLeadership(postgres_url), PostgresLeadership(postgres_url)
    assert first.ask() is LEADS
    assert end_sessions_with_the_lead(postgres_url) == 1
    assert [first.ask(), second.ask()] == [LEADS, FOLLOWS]  # nobody had come in between
    assert end_sessions_with_the_lead(postgres_url) == 1
    assert [second.ask(), first.ask(), second.ask()] == [LEADS, FOLLOWS, LEADS]
    first.close()
    second.close()


@pytest.mark.postgres
def test_behind_a_pooler_the_lead_is_this_machine_s(
    postgres_cluster: Cluster, postgres_url: str, tmp_path: Path
) -> None:
    direct = leadership_in(postgres_url, tmp_path)
    assert isinstance(direct, PostgresLeadership)
    with pgbouncer(postgres_cluster) as port, capture_logs() as said:
        url = f"postgresql://ann:secret@127.0.0.1:{port}/{postgres_url.rpartition('/')[2]}"
        pooled = leadership_in(url, tmp_path)
        assert isinstance(pooled, FileLeadership)
        assert pooled.ask() is LEADS
        pooled.close()
    (line,) = said
    assert (line["event"], line["log_level"]) == ("daemon_lead_of_this_machine", "warning")
    assert sessions_with_the_lead(postgres_url) == []


@pytest.mark.postgres
def test_dagster_s_own_url_with_another_driver_will_do(postgres_url: str) -> None:
    lead = PostgresLeadership(postgres_url.replace("postgresql://", "postgresql+psycopg2://"))
    assert lead.ask() is LEADS
    lead.close()


def test_a_database_that_does_not_answer_gives_no_lead() -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/dagster"
    assert PostgresLeadership(url).ask() is UNKNOWN


def test_the_lead_is_waited_for_and_every_change_said_once() -> None:
    with capture_logs() as said:
        wait_for_lead(Scripted(UNKNOWN, UNKNOWN, FOLLOWS, FOLLOWS, LEADS), 0.0)
    assert [(line["event"], line["standing"]) for line in said] == [
        ("daemon_lead", "unknown"),
        ("daemon_lead", "follows"),
        ("daemon_lead", "leads"),
    ]


def test_only_another_s_lead_ends_a_daemon() -> None:
    ended = threading.Event()
    keep_lead(Scripted(LEADS, UNKNOWN, UNKNOWN, LEADS, FOLLOWS), 0.0, ended.set)
    assert ended.is_set()
