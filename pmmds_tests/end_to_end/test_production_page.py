"""The SQL and commands in docs/production.md, "Without Docker", work unchanged on a new PostgreSQL server."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import sqlalchemy as sa

from pmmds_core.config.settings import load_settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.stores.database.grants import PROMOTER, SERVICE
from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.postgres import Cluster, temporary_cluster
from pmmds_tests.harness.prediction_records import make_records

PAGE = Path(__file__).parents[2] / "docs" / "production.md"
pytestmark = pytest.mark.postgres


def blocks(language: str) -> list[str]:
    """Return the section's code blocks in one language, with passwords filled in."""
    section = PAGE.read_text(encoding="utf-8").split("## Without Docker", 1)[1].split("\n## ", 1)[0]
    found = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
    return [block.replace("…", "secret") for block in found]


def run_sql(cluster: Cluster, database: str, block: str) -> None:
    url = sa.make_url(cluster.url_of(database)).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        for statement in filter(str.strip, block.split(";")):
            connection.exec_driver_sql(statement)


def given_by(line: str, cluster: Cluster) -> tuple[dict[str, str], list[str]]:
    """Return the variables and the command in a line, with this server's port."""
    words = shlex.split(line.removeprefix("export ").replace(":5432/", f":{cluster.port}/"))
    variables = dict(word.split("=", 1) for word in words if word.startswith("PMMDS_"))
    return variables, [word for word in words if not word.startswith("PMMDS_")]


def test_documented_commands_create_a_working_database(tmp_path: Path, contract: Contract) -> None:
    databases, login = blocks("sql")
    preparing, running = blocks("sh")
    with temporary_cluster() as cluster:
        run_sql(cluster, "postgres", databases)
        for line in preparing.strip().splitlines()[1:]:
            variables, command = given_by(line, cluster)
            said = pmmds(tmp_path / "home", *command[1:], given=variables)
            assert said.code == 0, said.err
        run_sql(cluster, "postgres", login)
        exported = [given_by(line, cluster)[0] for line in running.splitlines() if line.startswith("export ")]
        settings = load_settings(
            {"PMMDS_HOME": str(tmp_path / "home")} | {k: v for e in exported for k, v in e.items()}
        )
        assert settings.dagster_database_url
        assert settings.mlflow_database_url
        assert settings.has_tracking_server
        deployment = Deployment(settings).require_rights(SERVICE).require_rights(PROMOTER)
        assert deployment.prediction_log.append(make_records(contract, 10)) == 10
        deployment.database.close()
