"""What a container's health check says of the service: one sentence with one end."""

from __future__ import annotations

from typing import Any

import pytest

from pmmds_cli.processes import health_check
from pmmds_cli.processes.definitions import single_processes
from pmmds_core.config.settings import load_settings
from pmmds_core.errors import ServiceUnavailableError

WELL: dict[str, Any] = {"status": "ok", "problem": ""}
SETTINGS = load_settings({})


def said(monkeypatch: pytest.MonkeyPatch, **parts: dict[str, Any]) -> str:
    answer = {"parts": {"database": WELL, "spool": WELL, "model": {"version": "3"}, **parts}}
    monkeypatch.setattr(health_check, "_get", lambda *_: answer)
    return health_check.check_process(single_processes(SETTINGS)["serving"], SETTINGS)


def test_a_service_that_is_well_says_which_model_it_has_or_that_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch) == "serving answers; model: 3."
    assert said(monkeypatch, model={"version": None}) == "serving answers; model: none yet."


def test_what_is_wrong_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    away = {"status": "unreachable", "problem": "The database rows cannot be reached."}
    with pytest.raises(ServiceUnavailableError) as told:
        said(monkeypatch, database=away, spool={"status": "full", "problem": ""})
    assert str(told.value) == "serving answers, but database: The database rows cannot be reached; spool: full."
