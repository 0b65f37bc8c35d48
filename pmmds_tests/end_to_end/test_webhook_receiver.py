"""The receiver of docs/webhooks.md runs as a process, is killed, and handles each event once after its restart."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pmmds_cli.processes.ports import listens
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.stores.lifecycle.webhook_sender import Webhooks, deliver_webhooks
from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.ports import free_port
from pmmds_tests.harness.service_process import wait_until
from pmmds_tests.harness.webhook_receiver import OTHER_SECRET, SECRET

PAGE = Path(__file__).parents[2] / "docs/webhooks.md"
HOUR = timedelta(hours=1)
Receiving = Callable[..., AbstractContextManager[None]]

pytestmark = pytest.mark.process


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The page's example as a file."""
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    file = tmp_path / "receiver.py"
    file.write_text(code[1], encoding="utf-8")
    return file


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def run(program: Path, port: int) -> Receiving:
    """Starts the receiver; killed at the end of the block. Its output is appended to a file."""

    @contextmanager
    def running(secret: str = SECRET) -> Iterator[None]:
        argv = [sys.executable, str(program), str(port), str(program.parent / "processed")]
        with (program.parent / "output").open("ab") as output:
            environment = {**os.environ, "WEBHOOK_SECRET": secret}
            process = subprocess.Popen(argv, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: listens(process.pid, port), 30)
            yield
        finally:
            process.kill()
            process.wait()

    return running


@pytest.fixture
def deployment(tmp_path: Path, port: int) -> Deployment:
    url = f"http://127.0.0.1:{port}/hook"
    return Deployment(Settings(home=str(tmp_path / "home"), webhook_urls=url, webhook_secret=SECRET))


def test_a_killed_receiver_handles_each_event_once_later(
    deployment: Deployment, run: Receiving, tmp_path: Path
) -> None:
    webhooks = Webhooks(deployment.webhook_urls, (SECRET,))

    def send(later: timedelta = timedelta()) -> int:
        return deliver_webhooks(deployment.outbox, webhooks, datetime.now(UTC) + later).n_sent

    decide(deployment, "2")
    with run():
        assert send() == 1
    decide(deployment, "3")
    assert send() == 0
    with run(OTHER_SECRET):
        assert send(HOUR) == 0, "a receiver with another secret answers 400"
    with run():
        assert send(2 * HOUR) == 1
        assert send(3 * HOUR) == 0
    lines = (tmp_path / "output").read_text(encoding="utf-8").splitlines()
    handled = [line for line in lines if line.startswith("promotion.decided")]
    assert ["challenger_version='2'" in handled[0], "challenger_version='3'" in handled[1]] == [True, True]
    assert len(handled) == 2


def test_the_test_command_names_a_target_that_does_not_accept(
    deployment: Deployment, run: Receiving, tmp_path: Path
) -> None:
    variables = {"PMMDS_WEBHOOK_URLS": deployment.settings.webhook_urls, "PMMDS_WEBHOOK_SECRET": SECRET}
    home = tmp_path / "home"
    refused = pmmds(home, "webhooks", "test", given=variables)
    assert refused.code == 1
    assert "URL 1 of PMMDS_WEBHOOK_URLS (http)" in refused.out
    with run():
        assert pmmds(home, "webhooks", "test", "--json", given=variables).code == 0
    assert pmmds(home, "webhooks", "secret").out.startswith("whsec_")
    decide(deployment, "2")
    deliver_webhooks(deployment.outbox, Webhooks(deployment.webhook_urls, (SECRET,)))
    assert "promotion.decided" in pmmds(home, "webhooks", "list", given=variables).out


def decide(deployment: Deployment, challenger: str) -> None:
    """Record a decision that holds a challenger."""
    deployment.decisions.save(
        kind="promotion",
        challenger=challenger,
        champion="1",
        promoted=False,
        reason="Not better.",
        improvement=0.0,
        details={},
        run_id="r",
    )
