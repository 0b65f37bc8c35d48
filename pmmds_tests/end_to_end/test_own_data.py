"""Five data sets as users have them: from the file to a first prediction, and the whole loop of the demo."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from pmmds_cli.output.demo_result import DemoOutcome
from pmmds_tests.harness.command_line import Said, pmmds
from pmmds_tests.harness.own_data_sets import DATA_SETS, LABEL
from pmmds_tests.harness.ports import free_ports

SECONDS = 1500
PORTS = ("HTTP", "GRPC", "DAGSTER", "MLFLOW", "CONSOLE")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.process,
    pytest.mark.timeout(SECONDS),
    pytest.mark.xdist_group("demo"),
]


@pytest.mark.parametrize("name", DATA_SETS)
def test_demo_on_own_data_ends_with_a_result(tmp_path: Path, name: str) -> None:
    DATA_SETS[name]().to_csv(tmp_path / "data.csv", index=False)
    command = ("demo", "--data", "data.csv", "--label", LABEL, "--home", "demo", "--json")
    said = pmmds(tmp_path / "unused", *command, cwd=tmp_path, timeout=SECONDS)
    assert said.code == 0, said.err
    ends = {DemoOutcome.PROMOTED, DemoOutcome.HELD, DemoOutcome.NO_DRIFT, DemoOutcome.TOO_FEW_ROWS}
    assert said.document["outcome"] in ends
    assert said.document["n_failed_requests"] == 0


def test_three_commands_lead_from_a_file_to_a_prediction(tmp_path: Path) -> None:
    DATA_SETS["missing_values"]().to_csv(tmp_path / "data.csv", index=False)
    ports = {f"PMMDS_{n}_PORT": str(port) for n, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    given = {**ports, "PMMDS_HOME": "", "PMMDS_SCHEDULES": "off"}

    def run(*arguments: str) -> Said:
        said = pmmds(tmp_path / "unused", *arguments, cwd=tmp_path, given=given, timeout=SECONDS)
        assert said.code == 0, said.err
        return said

    run("init", "--from", "data.csv", "--label", LABEL, "--into", ".")
    try:
        started = run("up", "--train").out
        assert started.splitlines()[0].split() == ["console", f"http://127.0.0.1:{ports['PMMDS_CONSOLE_PORT']}/"]
        service = next(line.split() for line in started.splitlines() if line.startswith("serving"))
        urls = [f"http://127.0.0.1:{ports['PMMDS_HTTP_PORT']}/", f"127.0.0.1:{ports['PMMDS_GRPC_PORT']}"]
        assert service == ["serving", urls[0], "gRPC", urls[1]]
        answer = printed_request(started, tmp_path)
        assert 0 < answer["probability"] < 1
        assert answer["model_version"] == "1"
        page = httpx.get(f"http://127.0.0.1:{ports['PMMDS_CONSOLE_PORT']}/", timeout=60, trust_env=False)
        assert (page.status_code, "text/html" in page.headers["Content-Type"]) == (200, True)
        assert run("run", "console", "--check").out == "console is healthy.\n"
        running = msgspec.json.decode(run("status", "--json").out)
        assert {p["name"]: p["state"] for p in running}["console"] == "RUNNING"
        train_first_again(run)
    finally:
        run("down")


def printed_request(output: str, folder: Path) -> Any:
    """Run the curl command that `pmmds up --train` printed, and return its decoded response."""
    command = output[output.index("  curl ") :].partition("\nNext:")[0]
    environment = {"PATH": os.environ["PATH"], "NO_PROXY": "*"}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, check=True)
    return msgspec.json.decode(done.stdout)


def train_first_again(run: Callable[..., Said]) -> None:
    """Stop the processes, and start them with --train again, which must keep the version in production."""
    run("down")
    assert "The service predicts with v1. Request a first prediction:" in run("up", "--train").out
    assert [d["challenger_version"] for d in run("decisions", "--json").document] == ["1"]
