"""The health check of the service prints one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from pmmds_cli.processes import health_check
from pmmds_cli.processes.definitions import single_processes
from pmmds_core.config.settings import load_settings
from pmmds_core.errors import ServiceUnavailableError

HEALTHY: dict[str, Any] = {"status": "ok", "problem": ""}
SETTINGS = load_settings({})


def check(monkeypatch: pytest.MonkeyPatch, **parts: dict[str, Any]) -> str:
    answer = {"parts": {"database": HEALTHY, "spool": HEALTHY, "model": {"version": "3"}, **parts}}
    monkeypatch.setattr(health_check, "_get", lambda *_: answer)
    return health_check.check_process(single_processes(SETTINGS)["serving"], SETTINGS)


def test_healthy_service_reports_its_model_or_that_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(monkeypatch) == "serving is healthy; model: 3."
    assert check(monkeypatch, model={"version": None}) == "serving is healthy; model: none yet."


def test_unhealthy_parts_are_reported_with_their_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    unreachable = {"status": "unreachable", "problem": "The database rows cannot be reached."}
    with pytest.raises(ServiceUnavailableError) as raised:
        check(monkeypatch, database=unreachable, spool={"status": "full", "problem": ""})
    assert str(raised.value) == "serving is not healthy: database: The database rows cannot be reached; spool: full."
