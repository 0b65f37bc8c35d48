"""Only one service can use a home. A second one is rejected until the first one exits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_serving.process.home_lock import take_home
from pmmds_tests.harness.ports import free_ports
from pmmds_tests.harness.service_process import RunningService, has_ended, running_service, wait_until
from pmmds_tests.harness.service_requests import predicted

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]
ANSWERED = 'pmmds_requests_total{endpoint="/api/v1/predict",method="POST",status="200"}'


def n_answered(service: RunningService) -> float:
    lines = service.client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(ANSWERED))


def test_a_second_service_is_rejected_and_the_first_keeps_its_counters(
    prepared: Callable[..., dict[str, str]], tmp_path: Path, contract: Contract
) -> None:
    environment = prepared(tmp_path / "home")
    with running_service(environment) as first:
        for _ in range(8):
            predicted(first.client, contract)
        assert n_answered(first) == 8
        http_port, grpc_port = map(str, free_ports(2))
        other = {**environment, "PMMDS_HTTP_PORT": http_port, "PMMDS_GRPC_PORT": grpc_port}
        for command in (["pmmds_serving"], ["pmmds_cli.main", "serve"]):
            said = subprocess.run(
                [sys.executable, "-m", *command], env=other, capture_output=True, text=True, timeout=120, check=False
            )
            assert said.returncode == 1
            assert said.stderr.count("\n") == 1
            assert f"{first.home}: process {first.process.pid}, port {first.settings.http_port}." in said.stderr
            assert "PMMDS_HOME" in said.stderr
        predicted(first.client, contract)
        assert n_answered(first) == 9


def test_a_killed_service_releases_its_home(prepared: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    environment = prepared(tmp_path / "home")
    with running_service(environment) as first:
        first.kill()
    with running_service(environment) as second:
        assert second.serves("1")


def test_workers_exit_with_the_main_process_and_release_the_home(
    prepared: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    environment = prepared(tmp_path / "home")
    with running_service(environment) as first:
        others = psutil.Process(first.process.pid).children(recursive=True)
        os.kill(first.process.pid, signal.SIGKILL)
        first.stop()
        wait_until(lambda: all(map(has_ended, others)))
    with running_service(environment) as second:
        assert second.serves("1")


def test_a_service_waits_for_the_previous_one_to_drain(tmp_path: Path) -> None:
    settings = Settings(home=str(tmp_path / "home"), http_port=8123)
    with ThreadPoolExecutor(1) as pool, take_home(settings):
        waiting = pool.submit(take_home, settings)
        assert not waiting.done()
    with waiting.result() as lock:
        assert Path(lock.name).read_text(encoding="utf-8") == f"process {os.getpid()}, port 8123\n"


def test_another_home_has_its_own_lock(tmp_path: Path) -> None:
    with take_home(Settings(home=str(tmp_path / "a"))), take_home(Settings(home=str(tmp_path / "b"))) as lock:
        assert os.get_inheritable(lock.fileno())
