"""`pmmds up` works with PostgreSQL for PMMDS, Dagster and MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from pmmds_core.config.values import with_driver
from pmmds_tests.harness.command_line import Said, pmmds
from pmmds_tests.harness.ports import free_ports
from pmmds_tests.harness.postgres import Cluster
from pmmds_tests.harness.quick_start import QuickStart, running_in
from pmmds_tests.harness.service_process import wait_until

SECONDS = 1800
pytestmark = [pytest.mark.process, pytest.mark.postgres, pytest.mark.xdist_group("demo")]


@pytest.fixture
def variables(postgres_cluster: Cluster, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings with one database for each program. PMMDS reads its URL from a file."""
    with ExitStack() as stack:
        own, dagster, mlflow = (stack.enter_context(postgres_cluster.fresh_database()) for _ in range(3))
        file = tmp_path / "database_url"
        file.write_text(own + "\n")
        http, grpc, web, tracking, console = free_ports(5)
        yield {
            "PMMDS_DATABASE_URL_FILE": str(file),
            "PMMDS_DAGSTER_DATABASE_URL": dagster,
            "PMMDS_MLFLOW_DATABASE_URL": mlflow,
            "PMMDS_MLFLOW_TRACKING_URI": f"http://127.0.0.1:{tracking}",
            "PMMDS_MLFLOW_ARTIFACT_ROOT": str(tmp_path / "artifacts"),
            "PMMDS_HTTP_PORT": str(http),
            "PMMDS_GRPC_PORT": str(grpc),
            "PMMDS_DAGSTER_PORT": str(web),
            "PMMDS_MLFLOW_PORT": str(tracking),
            "PMMDS_CONSOLE_PORT": str(console),
            "PMMDS_SCHEDULES": "off",  # a scheduled run could check the window before all its requests are sent
        }


def rows_in(url: str, table: str) -> int:
    engine = sa.create_engine(with_driver(url, "psycopg"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        found: int = connection.execute(sa.select(sa.func.count()).select_from(sa.table(table))).scalar_one()
    return found


@pytest.mark.timeout(SECONDS)
def test_whole_loop_runs_on_postgresql(tmp_path: Path, variables: dict[str, str]) -> None:
    home = tmp_path / "home"

    def run(*arguments: str) -> Said:
        return pmmds(home, *arguments, given=variables, timeout=SECONDS)

    assert run("db", "migrate").code == 0
    try:
        started = run("up")
        assert started.code == 0, started.err
        story = QuickStart(run, f"http://127.0.0.1:{variables['PMMDS_HTTP_PORT']}")
        story.run()
        assert run("run", "dagster-daemon", "--check").code == 0
        assert "serving is healthy; model: 2." in run("run", "serving", "--check").out
    finally:
        assert run("down").code == 0
    assert rows_in(Path(variables["PMMDS_DATABASE_URL_FILE"]).read_text().strip(), "prediction_logs") == 2002
    assert rows_in(variables["PMMDS_DAGSTER_DATABASE_URL"], "runs") >= 3
    assert rows_in(variables["PMMDS_MLFLOW_DATABASE_URL"], "model_versions") == 2
    assert list((tmp_path / "artifacts").rglob("bundle/scorer.json"))
    files = [p for p in home.rglob("*") if p.is_file() and p.stat().st_size]
    assert [p for p in files if p.read_bytes().startswith(b"SQLite format 3")] == [], "no data is stored in SQLite"
    wait_until(lambda: running_in(home) == [])


@pytest.mark.parametrize("name", ["PMMDS_DAGSTER_DATABASE_URL", "PMMDS_MLFLOW_DATABASE_URL"])
def test_missing_database_is_reported_before_anything_starts(
    tmp_path: Path, variables: dict[str, str], name: str
) -> None:
    home = tmp_path / "home"
    assert pmmds(home, "db", "migrate", given=variables).code == 0
    gone = {**variables, name: variables[name].rpartition("/")[0] + "/nowhere"}
    said = pmmds(home, "up", given=gone)
    assert said.code == 1
    assert "database nowhere on PostgreSQL at 127.0.0.1" in said.sentence
    assert f"Check {name}" in said.sentence
    assert pmmds(home, "status", given=gone).out.startswith("Nothing is running")


def test_health_check_fails_for_stopped_processes(tmp_path: Path, variables: dict[str, str]) -> None:
    for name in ("serving", "mlflow", "dagster-webserver", "dagster-code", "dagster-daemon"):
        said = pmmds(tmp_path / "home", "run", name, "--check", given=variables)
        assert said.code == 1, name
        assert name in said.sentence or "daemon is not healthy" in said.sentence
