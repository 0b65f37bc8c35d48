"""Refused requests: each kind has its own limit, and those that are not stored are logged with their fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from pmmds_console import refusals
from pmmds_console.application import make_application
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_tests.harness.console_process import BASE

LIMIT = 3
WRONG_TOKEN = {"Authorization": "Bearer wrong"}


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    monkeypatch.setattr(refusals, "MAX_PER_HOUR", LIMIT)
    return Deployment(Settings(home=str(tmp_path / "home"), admin_token="t" * 32)).prepare()


@pytest.fixture
def client(deployment: Deployment) -> TestClient:
    application: Any = make_application(deployment)
    return TestClient(application, base_url="http://127.0.0.1", client=("192.0.2.7", 50_000))


def test_rejections_of_the_guard_do_not_hide_other_refusals(client: TestClient, deployment: Deployment) -> None:
    for _ in range(LIMIT + 1):
        foreign = {"Origin": "https://evil.example", "Content-Type": "application/json"}
        assert client.post(f"{BASE}/alerts/1/resolve", headers=foreign).status_code == 403
    assert client.get(f"{BASE}/me", headers=WRONG_TOKEN).status_code == 401
    details = [event.detail for event in deployment.audit.recent()]
    assert details[0] == "The bearer token is neither an API token nor the admin token."
    assert details[1:] == ["The request is not allowed for its Host or Origin."] * LIMIT


def test_a_refusal_above_the_limit_is_logged_with_its_fields(client: TestClient, deployment: Deployment) -> None:
    with capture_logs() as logs:
        for _ in range(LIMIT + 1):
            assert client.get(f"{BASE}/me", headers=WRONG_TOKEN).status_code == 401
    assert len(deployment.audit.recent()) == LIMIT
    (line,) = [entry for entry in logs if entry["event"] == "refusal_not_recorded"]
    expected = {
        "address": "192.0.2.7",
        "method": "",
        "action": "GET",
        "target": f"{BASE}/me",
        "detail": "The bearer token is neither an API token nor the admin token.",
    }
    assert {name: line[name] for name in expected} == expected


def test_escape_sequences_of_a_path_are_not_stored(client: TestClient, deployment: Deployment) -> None:
    foreign = {"Origin": "https://evil.example", "Content-Type": "application/json"}
    assert client.post("/%1b%5d0;owned%07%c2%9b2J", headers=foreign).status_code == 403
    (event,) = deployment.audit.recent()
    assert event.target == "/\N{REPLACEMENT CHARACTER}]0;owned\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}2J"
