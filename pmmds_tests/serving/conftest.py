"""Two trained versions and a real service on the first, made once for the tests that ask a running service.

Those tests are marked `process` and share the xdist group `service`, so that one test process has it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.stores.model_registry import PRODUCTION
from pmmds_serving.model_cache import STAMP
from pmmds_tests.assets.house import House, errors_of
from pmmds_tests.serving.running import RunningService, running_service, service_environment


@pytest.fixture(scope="session")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A registry with versions 1 and 2; production is 1."""
    home = tmp_path_factory.mktemp("registry")
    for seed in ("42", "7"):
        result = House.build(home, PMMDS_TRAIN_SEED=seed, PMMDS_TRAIN_HOLDOUT_SHARE="0.3").run("train_job")
        assert result.success, errors_of(result)
    deployment = House.build(home).deployment
    deployment.registry.move_alias(deployment.model_name, PRODUCTION, "1")
    return deployment


@pytest.fixture(scope="session")
def shared_service(two_versions: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    home = tmp_path_factory.mktemp("service")
    with running_service(service_environment(home, two_versions.registry.tracking_uri)) as service:
        yield service


@pytest.fixture
def service(shared_service: RunningService) -> RunningService:
    """The shared service, which serves version 1."""
    assert shared_service.serves("1")
    return shared_service


@pytest.fixture
def own_environment(
    shared_service: RunningService, two_versions: Deployment, contract: Contract, tmp_path: Path
) -> dict[str, str]:
    """Variables of a service of the test's own that has fetched version 1 before, so that it is ready at once."""
    home = tmp_path / "home"
    cached, own = (folder / "model_cache" / contract.model_name for folder in (shared_service.home, home))
    shutil.copytree(cached / "1", own / "1")
    shutil.copy(cached / STAMP, own / STAMP)
    return service_environment(home, two_versions.registry.tracking_uri)


@pytest.fixture
def move_production(two_versions: Deployment) -> Iterator[Callable[[str], None]]:
    """Points the production alias at a version; back at 1 afterwards."""

    def move(version: str) -> None:
        two_versions.registry.move_alias(two_versions.model_name, PRODUCTION, version)

    yield move
    move("1")
