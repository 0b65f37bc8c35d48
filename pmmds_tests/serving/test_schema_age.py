"""With the database schema of another PMMDS version, the service keeps serving, reports it and loses no row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pmmds_core.config.settings import load_settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.database.engine import Database, open_database
from pmmds_core.stores.database.schema import HEAD, migrate
from pmmds_tests.harness.background_requests import metric
from pmmds_tests.harness.command_line import Said, pmmds
from pmmds_tests.harness.schema_revisions import set_revision
from pmmds_tests.harness.service_process import RunningService, running_service, wait_until
from pmmds_tests.harness.service_requests import all_logged, predicted

pytestmark = [pytest.mark.process, pytest.mark.postgres, pytest.mark.xdist_group("service")]


def database_part(service: RunningService, http_status: int) -> dict[str, Any]:
    answer = service.client.get("/healthz")
    assert answer.status_code == http_status, answer.text
    found: dict[str, Any] = answer.json()["parts"]["database"]
    return found


def command(service: RunningService, *arguments: str) -> Said:
    return pmmds(service.home, *arguments, given=service.environment)


def test_rows_wait_for_the_migration_and_need_no_restart(
    prepared: Callable[..., dict[str, str]], postgres_url: str, contract: Contract, tmp_path: Path
) -> None:
    environment = prepared(tmp_path / "home", PMMDS_DATABASE_URL=postgres_url)
    database = open_database(load_settings(environment))
    migrate(database, msgspec.structs.replace(contract, features=contract.features[:-1]))
    missing = f"missing: {contract.feature_names[-1]}."
    with running_service(environment) as service:
        answered = [predicted(service.client, contract) for _ in range(30)]
        behind = database_part(service, 503)
        assert behind["status"] == "outdated"
        assert behind["problem"].endswith(missing)
        assert missing in command(service, "run", "serving", "--check").sentence
        wait_until(lambda: missing in spool_problem(service))
        assert service.client.get("/ready").status_code == 200
        assert (metric(service.client, "pmmds_database_up"), metric(service.client, "pmmds_schema_ok")) == (1, 0)
        migrated = command(service, "db", "migrate")
        assert "Added 1 column to prediction_logs" in migrated.out, migrated.err
        wait_until(all_logged(service.deployment(), answered))
        assert database_part(service, 200) == {"status": "ok", "problem": ""}
        wait_until(lambda: spool_problem(service) == "")
        assert metric(service.client, "pmmds_schema_ok") == 1
        a_newer_program_migrates(service, database, contract)


def a_newer_program_migrates(service: RunningService, database: Database, contract: Contract) -> None:
    """The database is migrated while the service runs, as in a rolling update."""
    set_revision(database, "9999")
    assert database_part(service, 503)["status"] == "newer"
    assert metric(service.client, "pmmds_schema_ok") == 0
    answered = predicted(service.client, contract)
    assert service.client.get("/ready").status_code == 200
    set_revision(database, HEAD)
    assert database_part(service, 200)["status"] == "ok"
    wait_until(all_logged(service.deployment(), [answered]))


def spool_problem(service: RunningService) -> str:
    return str(service.client.get("/healthz").json()["parts"]["spool"]["problem"])
