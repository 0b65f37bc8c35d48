"""Fixture: the service that receives the floods."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pmmds_tests.harness.service_process import RunningService, running_service


@pytest.fixture(scope="module")
def flooded(
    prepared: Callable[..., dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    home: Path = tmp_path_factory.mktemp("flooded") / "home"
    with running_service(prepared(home, PMMDS_LOG_LEVEL="warning")) as service:
        yield service
