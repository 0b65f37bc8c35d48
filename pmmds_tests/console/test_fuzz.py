"""Requests that schemathesis derives from the OpenAPI document get the documented responses, and never 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pmmds_console.api.routes import ROUTES
from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import load_contract
from pmmds_core.stores.database.engine import open_database
from pmmds_core.stores.database.schema import migrate
from pmmds_tests.console.stored_rows import add_reports
from pmmds_tests.harness.console_process import BASE, RunningConsole, console_environment, running_console

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("console")]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]

FUZZ = settings(max_examples=25, deadline=None, suppress_health_check=QUIET, derandomize=True)


@pytest.fixture(scope="module")
def with_reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console with 30 reports."""
    home = str(tmp_path_factory.mktemp("fuzz") / "home")
    database, contract = open_database(Settings(home=home)), load_contract("")
    migrate(database, contract)
    add_reports(database, contract.model_name, 30)
    with running_console(console_environment(home)) as console:
        yield console


@pytest.fixture
def described(with_reports: RunningConsole) -> schemathesis.BaseSchema:
    found: schemathesis.BaseSchema = schemathesis.openapi.from_url(f"{with_reports.url}{BASE}/openapi.json", timeout=60)
    return found


def test_generated_requests_are_answered_as_documented(described: schemathesis.BaseSchema) -> None:
    operations = [found.ok() for found in described.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) >= len(ROUTES) - 1, "all paths except that of the document itself"
    for operation in operations:

        @FUZZ
        @given(case=operation.as_strategy())
        def check(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(checks=CHECKS, timeout=120)  # the first rollback opens the registry

        check()
