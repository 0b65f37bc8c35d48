"""Fixtures: the built images, the running system with a webhook receiver, and the production overlay."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from pmmds_tests.compose.engine import BASE, PRODUCTION, EngineMissingError, Project, project, report
from pmmds_tests.compose.receiver import start_receiver, target_file
from pmmds_tests.harness.quick_start import QuickStart


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with built images, which is removed with its volumes at the end."""
    with ExitStack() as stack:
        try:
            own = stack.enter_context(project(BASE, target_file(tmp_path_factory.mktemp("webhooks"))))
        except EngineMissingError as error:
            pytest.fail(str(error), pytrace=False)
        began = time.monotonic()
        own.must("build", timeout=3000)
        report(f"images built in {time.monotonic() - began:.0f} s")
        yield own


@pytest.fixture(scope="session")
def system(built: Project) -> Project:
    """The running system: all containers are healthy, a receiver gets events, and a first model is trained."""
    began = time.monotonic()
    built.must("up", "-d", timeout=900)
    built.wait_until_healthy()
    report(f"healthy {time.monotonic() - began:.0f} s after `compose up`")
    start_receiver(built)
    quick_start = QuickStart(built.pmmds, built.url("HTTP"))
    quick_start.train()
    quick_start.first_prediction()
    report(f"first prediction {time.monotonic() - began:.0f} s after `compose up`, training included")
    return built


@pytest.fixture(scope="session")
def production(system: Project) -> Project:
    """The system with the production overlay and the same volumes: two replicas and PgBouncer."""
    own = system.with_files(PRODUCTION)
    own.must("up", "-d", timeout=900)
    own.wait_until_healthy()
    return own
