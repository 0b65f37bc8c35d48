"""Five data sets as users have them: from the file to a first prediction, and the whole loop of the demo."""

from __future__ import annotations

from pathlib import Path

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
    project = tmp_path / "data"
    ports = {f"PMMDS_{n}_PORT": str(port) for n, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    given = {**ports, "PMMDS_HOME": "", "PMMDS_SCHEDULES": "off"}

    def run(folder: Path, *arguments: str) -> Said:
        said = pmmds(tmp_path / "unused", *arguments, cwd=folder, given=given, timeout=SECONDS)
        assert said.code == 0, said.err
        return said

    run(tmp_path, "init", "--from", "data.csv", "--label", LABEL)
    try:
        started = run(project, "up")
        assert started.out.splitlines()[0].split() == ["console", f"http://127.0.0.1:{ports['PMMDS_CONSOLE_PORT']}/"]
        run(project, "train")
        answer = httpx.post(
            f"http://127.0.0.1:{ports['PMMDS_HTTP_PORT']}/api/v1/predict",
            content=(project / "example-request.json").read_bytes(),
            headers={"Content-Type": "application/json"},
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        assert 0 < answer.json()["probability"] < 1
        assert answer.json()["model_version"] == "1"
        page = httpx.get(f"http://127.0.0.1:{ports['PMMDS_CONSOLE_PORT']}/", trust_env=False)
        assert (page.status_code, "text/html" in page.headers["Content-Type"]) == (200, True)
        assert run(project, "run", "console", "--check").out == "console is healthy.\n"
        running = msgspec.json.decode(run(project, "status", "--json").out)
        assert {p["name"]: p["state"] for p in running}["console"] == "RUNNING"
    finally:
        run(project, "down")
