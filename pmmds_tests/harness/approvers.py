"""People who approve a decision at the same time, each in a separate process. Not here: assertions."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.errors import PmmdsError
from pmmds_core.workflows.approval import approve
from pmmds_tests.harness.fakes import FileRegistry
from pmmds_tests.harness.service_process import PATIENCE_SECONDS


def deployment_with(settings: Settings, registry: Path) -> Deployment:
    """Return the deployment, whose registry is a file that all processes share."""
    deployment = Deployment(settings)
    deployment.registry = FileRegistry(registry)
    return deployment


def approve_at_once(settings: Settings, registry: Path, decision_id: str, people: Sequence[str]) -> dict[str, str]:
    """Return, for each person, the decision's state after that person's approval, or the name of the error's class."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(len(people)), context.Queue()
    processes = [
        context.Process(target=_approve, args=(settings, registry, decision_id, name, barrier, results))
        for name in people
    ]
    for process in processes:
        process.start()
    found = dict(results.get(timeout=PATIENCE_SECONDS) for _ in people)
    for process in processes:
        process.join(PATIENCE_SECONDS)
        assert process.exitcode == 0
    return found


def _approve(
    settings: Settings,
    registry: Path,
    decision_id: str,
    name: str,
    barrier: Barrier,
    results: multiprocessing.Queue[tuple[str, str]],
) -> None:
    deployment = deployment_with(settings, registry)
    _ = deployment.database
    barrier.wait(PATIENCE_SECONDS)
    try:
        results.put((name, approve(deployment, decision_id, by=name).state))
    except PmmdsError as error:
        results.put((name, type(error).__name__))
    finally:
        deployment.database.close()
