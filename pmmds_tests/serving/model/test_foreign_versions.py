"""The code of an attacker who can only use MLflow's REST API never runs, and the rejected version is reported."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cloudpickle
import httpx
import psutil
import pytest

from pmmds_core.deployment import Deployment
from pmmds_core.errors import RegistryUnavailableError
from pmmds_core.models.bundle import MANIFEST, SCORER
from pmmds_core.models.pipeline_scorer import KIND, PIPELINE
from pmmds_core.stores.artifacts.model_registry import PRODUCTION, ModelRegistry
from pmmds_tests.core.models.test_foreign_bundles import Touch
from pmmds_tests.harness.mlflow_server import MlflowServer, mlflow_serving
from pmmds_tests.harness.service_process import RunningService, running_service, service_environment, wait_until
from pmmds_tests.harness.trained_versions import trained

pytestmark = [pytest.mark.slow, pytest.mark.process, pytest.mark.xdist_group("foreign")]


class Stranger:
    """Registers versions through REST and moves the alias to them. `files` are the production version's files."""

    def __init__(self, client: httpx.Client, model_name: str, files: dict[str, bytes]) -> None:
        self.client = client
        self.model_name = model_name
        self.files = files

    def ask(self, path: str, **body: Any) -> dict[str, Any]:
        answered = self.client.post(f"/api/2.0/mlflow/{path}", json=body)
        answered.raise_for_status()
        found: dict[str, Any] = answered.json()
        return found

    def put_into_production(self, scorer: Any, kind: str, pickled: bytes = b"", *, listed: bool = True) -> str:
        files = {**self.files, SCORER: json.dumps(scorer).encode()}
        manifest = json.loads(files.pop(MANIFEST))
        manifest["scorer_kind"] = kind
        manifest["files"] = {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()}
        if pickled:
            files[PIPELINE] = pickled
            manifest["files"] |= {PIPELINE: hashlib.sha256(pickled).hexdigest()} if listed else {}
        return self._register({**files, MANIFEST: json.dumps(manifest).encode()})

    def _register(self, files: dict[str, bytes]) -> str:
        name = f"foreign-{time.time_ns()}"
        place = {"name": name, "artifact_location": f"mlflow-artifacts:/{name}"}
        experiment = self.ask("experiments/create", **place)["experiment_id"]
        run = self.ask("runs/create", experiment_id=experiment, start_time=1)["run"]["info"]
        folder = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
        for file, raw in files.items():
            path = f"/api/2.0/mlflow-artifacts/artifacts/{folder}/bundle/{file}"
            self.client.put(path, content=raw).raise_for_status()
        made = {"name": self.model_name, "source": f"{run['artifact_uri']}/bundle", "run_id": run["run_id"]}
        version = str(self.ask("model-versions/create", **made)["model_version"]["version"])
        self.ask("registered-models/alias", name=self.model_name, alias=PRODUCTION, version=version)
        return version


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Version 1 is in production and recorded, in a registry behind a real MLflow server."""
    with mlflow_serving(MlflowServer(tmp_path_factory.mktemp("mlflow"))) as server:
        yield trained(tmp_path_factory.mktemp("home"), {"PMMDS_MLFLOW_TRACKING_URI": server.uri})


@pytest.fixture(scope="module", params=["require_record", "off"])
def strict(request: pytest.FixtureRequest, deployment: Deployment) -> Iterator[RunningService]:
    """A service in one verification mode. By default, pickles are rejected in every mode."""
    deployment.registry.move_alias(deployment.model_name, PRODUCTION, "1")
    environment = service_environment(deployment.settings.home_path, deployment.registry.tracking_uri)
    with running_service({**environment, "PMMDS_MODEL_VERIFICATION": request.param}) as service:
        assert service.serves("1")
        yield service
    deployment.registry.move_alias(deployment.model_name, PRODUCTION, "1")


@pytest.fixture
def stranger(deployment: Deployment) -> Iterator[Stranger]:
    folder = deployment.profiles.files("1").directory
    files = {p.name: p.read_bytes() for p in folder.iterdir()}
    with httpx.Client(base_url=deployment.registry.tracking_uri, timeout=60, trust_env=False) as client:
        yield Stranger(client, deployment.model_name, files)


def registry_part(service: RunningService) -> dict[str, Any]:
    found: dict[str, Any] = service.client.get("/healthz").json()["parts"]["registry"]
    return found


def watchers(service: RunningService) -> set[int]:
    children = psutil.Process(service.process.pid).children(recursive=True)
    return {p.pid for p in children if "pmmds_serving.model.watcher" in p.cmdline()}


def assert_refused(service: RunningService, version: str, watching: set[int]) -> None:
    wait_until(lambda: registry_part(service)["refused_version"] == version)
    assert registry_part(service)["problem"] != ""
    refused = service.client.post("/model/reload")
    assert refused.status_code == 503
    assert refused.json()["detail"]["errors"] == [registry_part(service)["problem"]]
    assert service.client.get("/metrics/json").json()["pmmds_model_refused"]["samples"][0]["value"] == 1
    assert f'pmmds_model_refused_info{{model_version="{version}"}} 1.0' in service.client.get("/metrics").text
    assert service.serves("1")
    assert watchers(service) == watching, "the watcher keeps running after it rejects a version"


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "unlisted"])
def test_a_pickle_registered_by_rest_is_never_loaded(
    strict: RunningService, stranger: Stranger, tmp_path: Path, listed: bool
) -> None:
    ran, watching = tmp_path / "ran", watchers(strict)
    names = json.loads(stranger.files[MANIFEST])["feature_names"]
    scorer = {"kind": KIND, "names": names, "numeric": [], "scikit_learn": "1.9"}
    version = stranger.put_into_production(scorer, KIND, cloudpickle.dumps(Touch(ran)), listed=listed)
    assert_refused(strict, version, watching)
    assert not ran.exists()


def test_a_scorer_with_an_unknown_feature_is_rejected_by_version(strict: RunningService, stranger: Stranger) -> None:
    watching, scorer = watchers(strict), json.loads(stranger.files[SCORER])
    if scorer["kind"] == "logistic_regression":
        scorer["numeric"][0]["index"] = 99
    else:
        scorer["numeric"][0] = 99
    version = stranger.put_into_production(scorer, scorer["kind"])
    assert_refused(strict, version, watching)


class FakeMlflow(http.server.BaseHTTPRequestHandler):
    """A registry that returns a version whose number is a path outside the cache folder."""

    version = "../../victim"

    def do_GET(self) -> None:
        version = {"name": "m", "version": self.version, "creation_timestamp": 1, "run_id": "a" * 32, "tags": []}
        content = json.dumps({"model_version": version}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def fake_mlflow() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeMlflow)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_version_that_is_not_a_number_is_rejected(fake_mlflow: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file.txt").write_text("mine")
    registry = ModelRegistry(fake_mlflow)
    with pytest.raises(RegistryUnavailableError, match="a version is a number"):
        registry.version_of("m", PRODUCTION)
    with pytest.raises(RegistryUnavailableError, match="a version is a number"):
        registry.download_bundle("m", "1", tmp_path / "cache" / "m" / "1")
    assert (victim / "file.txt").read_text() == "mine"
    assert not (tmp_path / "cache").exists()
