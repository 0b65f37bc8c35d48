"""Downloads of a version are interrupted: MLflow is killed, or the transfer stalls or is slow.

The service keeps serving its version, reports the problem, serves no partial version, and recovers automatically.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pmmds_core.config.settings import load_settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.stores.artifacts.model_registry import PRODUCTION, ModelRegistry
from pmmds_core.workflows.promotion import put_into_production
from pmmds_serving.model.verification import RECORDED
from pmmds_tests.core.workflows.test_promotion_crash import decide
from pmmds_tests.harness.background_requests import Load, logged_once
from pmmds_tests.harness.mlflow_server import MlflowServer, mlflow_serving, register_bundle
from pmmds_tests.harness.service_process import RunningService, running_service, service_environment, wait_until
from pmmds_tests.harness.tcp_relay import Relay, relaying

pytestmark = [pytest.mark.process, pytest.mark.faults, pytest.mark.xdist_group("service")]

# Fewer bytes than a version's files, but more than a response's headers.
SOME_BYTES = 3000


@pytest.fixture(scope="module")
def mlflow_server(
    two_versions: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[MlflowServer, dict[str, str]]]:
    """An MLflow server with versions 1 and 2, and their digests."""
    folder = tmp_path_factory.mktemp("handed-out")
    with mlflow_serving(MlflowServer(folder / "mlflow")) as server:
        registry, digests = ModelRegistry(server.uri), {}
        name = two_versions.model_name
        for version in ("1", "2"):
            bundle = two_versions.registry.download_bundle(name, version, folder / version)
            digests[version] = two_versions.registry.get_version(name, version).digest
            assert register_bundle(registry, name, bundle, digests[version]) == version
        yield server, digests


@dataclass(frozen=True)
class Scene:
    """A service on v1 that connects to MLflow through the relay, and its clients."""

    server: MlflowServer
    relay: Relay
    service: RunningService
    load: Load
    digests: dict[str, str]

    @property
    def cache(self) -> Path:
        return self.service.home / "model_cache" / self.service.deployment().model_name

    def promote(self, version: str, champion: str | None) -> None:
        """Promote a version in the same way as Dagster, bypassing the relay."""
        promote(self.service.deployment(), self.server, version, champion)

    def begin_download(self, *, then_each_seconds: float | None = None) -> None:
        """Promote v2, and stop or slow down its download."""
        self.relay.let_through(SOME_BYTES, then_each_seconds=then_each_seconds)
        self.promote("2", "1")
        assert self.relay.holding.wait(60)

    def part(self, name: str) -> dict[str, Any]:
        document = self.service.client.get("/healthz").json()["parts"][name]
        assert isinstance(document, dict)
        return document

    def says(self, sentence: str) -> bool:
        return sentence in str(self.part("registry")["problem"])

    def has_half_of(self, version: str) -> bool:
        """Return True if the version's folder exists in the cache."""
        return (self.cache / version).exists()

    def n_unfinished(self) -> int:
        return len(list(self.cache.glob(".incoming-*")))

    def wait_for_the_new_version(self) -> None:
        """Assert that v2 is complete and served, and that every request so far was answered and logged."""
        wait_until(lambda: self.service.serves("2"))
        wait_until(lambda: self.part("registry")["problem"] == "")
        wait_until(self.load.has_answered(50))
        model = self.service.client.get("/model").json()
        assert (model["version"], model["digest"]) == ("2", self.digests["2"])
        assert (self.part("model")["verification"], self.part("registry")["fetching"]) == (RECORDED, None)
        assert self.n_unfinished() == 0


def promote(deployment: Deployment, server: MlflowServer, version: str, champion: str | None) -> None:
    decisions = deployment.decisions
    put_into_production(decide(decisions, version, champion), decisions, ModelRegistry(server.uri))


@contextmanager
def on_stage(
    published: tuple[MlflowServer, dict[str, str]], home: Path, contract: Contract, **variables: str
) -> Iterator[Scene]:
    server, digests = published
    with ModelRegistry(server.uri)._client() as client:
        client.delete_registered_model_alias(contract.model_name, PRODUCTION)
    with relaying(server.settings.mlflow_port) as relay:
        environment = service_environment(home, relay.uri, PMMDS_LOG_LEVEL="warning", **variables)
        promote(Deployment(load_settings(environment)), server, "1", None)
        with running_service(environment) as service:
            assert service.client.get("/healthz").json()["parts"]["model"]["verification"] == RECORDED
            load = Load(service.url, contract)
            with load.running():
                wait_until(load.has_answered(50))
                yield Scene(server, relay, service, load, digests)
            stores = service.deployment()
            wait_until(lambda: logged_once(stores, load.answered))
            assert (load.refused, load.n_cut_off) == ({}, 0)


def test_mlflow_killed_during_a_download_delays_only_the_version(
    mlflow_server: tuple[MlflowServer, dict[str, str]], contract: Contract, tmp_path: Path
) -> None:
    with on_stage(mlflow_server, tmp_path / "home", contract) as scene:
        scene.begin_download()
        assert scene.part("registry")["fetching"] == "2"
        assert (scene.n_unfinished(), scene.has_half_of("2")) == (1, False)
        scene.server.kill()
        scene.relay.cut()
        try:
            wait_until(lambda: scene.says("v2 could not be downloaded: MLflow request failed"))
            wait_until(lambda: "v2 could not be downloaded: MLflow request failed" in scene.service.output)
            assert (scene.n_unfinished(), scene.has_half_of("2")) == (0, False)
            wait_until(scene.load.has_answered(100))
            n_answered = len(scene.load.answered)
            assert scene.service.serves("1")
            assert scene.service.status_of("/ready") == 200
        finally:
            scene.relay.open()
            scene.server.start()
        scene.wait_for_the_new_version()
        until_then = scene.load.answered[:n_answered]
        wait_until(lambda: logged_once(scene.service.deployment(), until_then))
        logged = scene.service.deployment().prediction_log.find(until_then)
        assert {record.model_version for record in logged.values()} == {"1"}


def test_a_stalled_download_times_out_without_delaying_responses(
    mlflow_server: tuple[MlflowServer, dict[str, str]], contract: Contract, tmp_path: Path
) -> None:
    with on_stage(mlflow_server, tmp_path / "home", contract) as scene:
        scene.begin_download()
        wait_until(scene.load.has_answered(100))
        assert scene.part("registry")["fetching"] == "2"
        wait_until(lambda: scene.says("v2 could not be downloaded: MLflow request failed"))
        assert scene.says("timed out")
        # The download may already be in its next attempt. Between attempts, no files remain.
        wait_until(lambda: scene.n_unfinished() == 0)
        assert (scene.has_half_of("2"), scene.service.serves("1")) == (False, True)
        scene.relay.open()
        scene.wait_for_the_new_version()


def test_a_slow_download_times_out_and_leaves_no_files(
    mlflow_server: tuple[MlflowServer, dict[str, str]], contract: Contract, tmp_path: Path
) -> None:
    with on_stage(mlflow_server, tmp_path / "home", contract, PMMDS_MODEL_FETCH_SECONDS="20") as scene:
        scene.begin_download(then_each_seconds=0.5)
        reported = "v2 could not be downloaded within 20 seconds (PMMDS_MODEL_FETCH_SECONDS)"
        wait_until(lambda: scene.says(reported))
        wait_until(lambda: reported in scene.service.output)
        # After the next watcher starts, leftovers of the previous one are removed but its status is kept.
        wait_until(lambda: scene.part("registry")["fetching"] == "2")
        assert scene.says(reported)
        wait_until(lambda: scene.n_unfinished() == 1)  # the status is written before the folder is created
        assert (scene.has_half_of("2"), scene.service.serves("1")) == (False, True)
        wait_until(scene.load.has_answered(50))
        scene.relay.open()
        scene.wait_for_the_new_version()
