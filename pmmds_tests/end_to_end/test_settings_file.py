"""Commands in any subfolder of a project, and the processes that they start, use its `pmmds.toml`."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from pmmds_tests.harness.command_line import Said, pmmds
from pmmds_tests.harness.ports import free_ports
from pmmds_tests.harness.service_process import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.process]


def command(folder: Path, *arguments: str) -> Said:
    return pmmds(folder / "unused", *arguments, cwd=folder, given={"PMMDS_HOME": ""})


def environment_of_process(pid: int) -> dict[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_text(encoding="utf-8").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def is_ready(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=60) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except urllib.error.HTTPError:
        return False


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A folder with settings and subfolders. Its processes are stopped after the test."""
    folder = tmp_path / "project"
    (folder / "notebooks/old").mkdir(parents=True)
    http, grpc, dagster, mlflow, console = free_ports(5)
    text = f"""
        [service]
        http_port = {http}
        grpc_port = {grpc}
        [dagster]
        port = {dagster}
        schedules = false
        [mlflow]
        port = {mlflow}
        [console]
        port = {console}
        [training]
        candidates = "pmmds_tests.harness.role_logins:QUICK"
        """
    (folder / "pmmds.toml").write_text(text, encoding="utf-8")
    try:
        yield folder
    finally:
        command(folder, "down")


def test_commands_in_subfolders_and_their_processes_use_the_file(project: Path) -> None:
    trained = command(project, "train")
    assert trained.code == 0, trained.err
    assert (project / ".pmmds").is_dir()
    sub = project / "notebooks/old"
    assert command(sub, "config", "home").out.strip() == str(project / ".pmmds")
    assert command(project / "notebooks", "status").out.startswith("Nothing is running.")
    started = command(project / "notebooks", "up")
    assert started.code == 0, started.err
    said = command(sub, "status", "--json")
    assert said.code == 0, said.err
    processes = {p["name"]: p for p in said.document}
    assert set(processes) == {"console", "serving", "mlflow", "dagster-webserver", "dagster-daemon"}
    # The service was started by a program that read the file, so each setting is a variable of the process.
    files = {n: environment_of_process(p["pid"])["PMMDS_CONFIG"] for n, p in processes.items() if n != "serving"}
    assert set(files.values()) == {str(project / "pmmds.toml")}
    port = command(sub, "config", "service.http_port").out.strip()
    assert environment_of_process(processes["serving"]["pid"])["PMMDS_HTTP_PORT"] == port
    wait_until(lambda: is_ready(port))  # `pmmds up` does not wait for the model
    assert not list((project / "notebooks").rglob(".pmmds"))
