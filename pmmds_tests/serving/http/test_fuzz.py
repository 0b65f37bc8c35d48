"""Fuzzing: responses always match the OpenAPI document and are never 5xx.

There are two kinds of input: valid and broken requests that schemathesis derives from the document, and raw bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pmmds_core.contracts.contract import Contract, load_contract
from pmmds_tests.harness.service_process import RunningService
from pmmds_tests.harness.service_requests import BATCH, FEEDBACK, JSON, PREDICT, predicted

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("service")]

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
FUZZ = settings(max_examples=25, deadline=None, suppress_health_check=QUIET, derandomize=True)


@pytest.fixture
def described(service: RunningService) -> schemathesis.BaseSchema:
    """The OpenAPI document without /model/reload, which waits for the registry."""
    found: schemathesis.BaseSchema = schemathesis.openapi.from_url(f"{service.url}/openapi.json", timeout=60)
    return found.exclude(path="/model/reload")


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@FUZZ
def test_generated_requests_are_answered_as_documented(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(checks=CHECKS, timeout=60)


CONTRACT: Contract = load_contract("")
VALID = json.dumps({"features": CONTRACT.example()}).encode()
ODD = (b"NaN", b"1e309", b"-0", b'"\\ud800"', b'"\\u0000"', b"{", b"[" * 600, b"true", b'"a":1,"a":2', b"\xff", b"\x00")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Generate a valid body with parts removed, duplicated or replaced."""
    body = VALID
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 12)))
        body = body[:start] + draw(st.one_of(st.binary(max_size=6), st.sampled_from(ODD))) + body[end:]
    return body


@pytest.fixture
def plain(service: RunningService) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("path", [PREDICT, BATCH, FEEDBACK])
@settings(max_examples=150)
@given(body=st.one_of(damaged(), st.binary(max_size=200)))
def test_raw_bytes_get_a_prediction_or_a_standard_error(plain: httpx.Client, path: str, body: bytes) -> None:
    response = plain.post(path, content=body, headers=JSON)
    assert response.status_code in {200, 400, 413}
    found: dict[str, Any] = response.json()
    if response.status_code == 400:
        assert set(found["detail"]) == {"message", "errors", "warnings"}
        assert found["detail"]["errors"]


def test_the_service_is_healthy_after_fuzzing(plain: httpx.Client, contract: Contract, service: RunningService) -> None:
    assert predicted(plain, contract)
    assert "request_failed" not in service.output
