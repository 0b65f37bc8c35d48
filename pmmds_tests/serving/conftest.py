"""Fixtures: two trained versions and a real service on version 1, which all tests of a running service share.

Those tests are marked `process` and belong to the xdist group `service`, so that they run in one test process.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.models.bundle import load_bundle
from pmmds_core.models.portable_scorer import Scorer
from pmmds_core.stores.artifacts.model_registry import PRODUCTION
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.predictions.log import PredictionLog
from pmmds_serving.generated.pmmds.v1.prediction_pb2_grpc import PredictionServiceStub
from pmmds_serving.model.cache import ACTIVE
from pmmds_serving.shipping.shipper import Shipper
from pmmds_serving.spool.spool import Spool
from pmmds_tests.harness.grpc_requests import stub_of
from pmmds_tests.harness.service_process import RunningService, running_service, service_environment, wait_until
from pmmds_tests.harness.service_requests import TOKEN
from pmmds_tests.harness.trained_versions import trained


@pytest.fixture(scope="session")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    """A registry with versions 1 and 2, of which version 1 is in production."""
    home = tmp_path_factory.mktemp("registry")
    deployment = trained(
        home, *({"PMMDS_TRAIN_SEED": seed, "PMMDS_TRAIN_HOLDOUT_SHARE": "0.3"} for seed in ("42", "7"))
    )
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


@pytest.fixture(scope="session")
def service_without_fast_path(
    prepared: Callable[..., dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    home = tmp_path_factory.mktemp("no-fast-path") / "home"
    with running_service(prepared(home, PMMDS_HTTP_FAST_PATH="off")) as service:
        yield service


@pytest.fixture(params=["on", "off"], ids="fast path {}".format)
def each_service(request: pytest.FixtureRequest) -> RunningService:
    """A service with the fast path on, and then one with it off."""
    service = request.getfixturevalue("shared_service" if request.param == "on" else "service_without_fast_path")
    assert isinstance(service, RunningService)
    assert service.serves("1")
    return service


@pytest.fixture(scope="session")
def prepared(shared_service: RunningService, two_versions: Deployment) -> Callable[..., dict[str, str]]:
    """Return variables of another service, in a new home with version 1 cached, so that it is ready at once."""

    def prepare(home: Path, **variables: str) -> dict[str, str]:
        cached, own = (folder / "model_cache" / two_versions.model_name for folder in (shared_service.home, home))
        shutil.copytree(cached / "1", own / "1")
        shutil.copy(cached / ACTIVE, own / ACTIVE)
        return service_environment(home, two_versions.registry.tracking_uri, **variables)

    return prepare


@pytest.fixture
def move_production(shared_service: RunningService, two_versions: Deployment) -> Iterator[Callable[[str], None]]:
    """Return a function that moves the production alias. After the test, the shared service serves version 1 again."""

    def move(version: str) -> None:
        two_versions.registry.move_alias(two_versions.model_name, PRODUCTION, version)

    yield move
    move("1")
    assert shared_service.client.post("/model/reload").json()["version"] == "1"


@pytest.fixture
def client(service: RunningService) -> httpx.Client:
    return service.client


@pytest.fixture(scope="session")
def stores(shared_service: RunningService) -> Deployment:
    """The service's database, opened in the test process."""
    return shared_service.deployment()


@pytest.fixture
def scorer(service: RunningService, contract: Contract) -> Scorer:
    return load_bundle(service.home / "model_cache" / contract.model_name / "1").scorer


@pytest.fixture(scope="session")
def guarded(
    prepared: Callable[..., dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningService]:
    """A service with two workers and an admin token."""
    home = tmp_path_factory.mktemp("guarded") / "home"
    token = TOKEN["Authorization"].removeprefix("Bearer ")
    environment = prepared(home, PMMDS_SERVING_WORKERS="2", PMMDS_ADMIN_TOKEN=token, PMMDS_LOG_LEVEL="warning")
    with running_service(environment) as service:
        wait_until(lambda: len(service.client.get("/model").json().get("workers", [])) == 2)
        yield service


@pytest.fixture
def stub(service: RunningService) -> Iterator[PredictionServiceStub]:
    """A gRPC client of the shared service."""
    with stub_of(service.settings) as connected:
        yield connected


@pytest.fixture
def log(database: Database, contract: Contract) -> PredictionLog:
    return PredictionLog(database, contract)


@pytest.fixture
def spool(tmp_path: Path, contract: Contract) -> Spool:
    """An empty spool in this process."""
    return Spool(tmp_path / "spool", contract.feature_names)


@pytest.fixture
def shipper(spool: Spool, log: PredictionLog, contract: Contract) -> Shipper:
    """A shipper that ships released segments on demand."""
    return Shipper(spool.folder, lambda: log, contract.feature_names)
