"""Artifacts in an S3-compatible store: training, serving and errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.contracts.contract import Contract
from pmmds_core.deployment import Deployment
from pmmds_core.errors import RegistryUnavailableError
from pmmds_core.models.bundle import MANIFEST, load_bundle
from pmmds_core.models.registration import BUNDLE_PATH, VALIDATION_PATH
from pmmds_core.stores.artifacts.model_registry import PRODUCTION, ModelRegistry
from pmmds_core.stores.artifacts.version_files import TRAINING_ROWS
from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.mlflow_server import MlflowServer, mlflow_serving, register_bundle
from pmmds_tests.harness.s3_store import S3Store, temporary_store
from pmmds_tests.harness.service_process import running_service, service_environment, wait_until
from pmmds_tests.harness.service_requests import PREDICT, example

pytestmark = [pytest.mark.slow, pytest.mark.process, pytest.mark.xdist_group("s3")]

BUCKET, FOLDER = "models", "pmmds/artifacts"
ROOT = f"s3://{BUCKET}/{FOLDER}"
NOBODY = "http://127.0.0.1:1"
PAGE = "evaluation/page.html"


@pytest.fixture(scope="session")
def s3_store() -> Iterator[S3Store]:
    with temporary_store(BUCKET) as store:
        yield store


@dataclass(frozen=True)
class Trained:
    """The result of `pmmds train` with its artifacts in the store."""

    home: Path
    deployment: Deployment


@pytest.fixture(scope="session")
def trained_into_s3(s3_store: S3Store, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    home = tmp_path_factory.mktemp("s3") / "home"
    said = pmmds(home, "train", given=s3_store.variables, PMMDS_MLFLOW_ARTIFACT_ROOT=f"{ROOT}/")
    assert said.code == 0, said.err
    assert "In production: v1 (new)" in said.out
    return Trained(home, Deployment(Settings(home=str(home), mlflow_artifact_root=ROOT)))


def test_the_files_of_a_version_are_only_in_the_bucket(trained_into_s3: Trained, s3_store: S3Store) -> None:
    deployment = trained_into_s3.deployment
    run_id = deployment.registry.get_version(deployment.model_name, "1").run_id
    run = f"{FOLDER}/{deployment.model_name}/{run_id}/artifacts"
    keys = s3_store.keys()
    wanted = {f"{run}/{path}" for path in (f"{BUNDLE_PATH}/{MANIFEST}", TRAINING_ROWS, "evaluation/latest.html")}
    assert keys > wanted
    assert any(key.startswith(f"{run}/{VALIDATION_PATH}/") for key in keys)
    assert all(key.startswith(f"{FOLDER}/{deployment.model_name}/") for key in keys)
    assert not (trained_into_s3.home / "mlartifacts").exists()
    assert not list(trained_into_s3.home.parent.rglob("mlruns"))


def test_the_service_serves_a_version_from_the_bucket(
    trained_into_s3: Trained, s3_store: S3Store, contract: Contract, tmp_path: Path
) -> None:
    registry = trained_into_s3.deployment.registry
    environment = service_environment(tmp_path / "home", registry.tracking_uri, **s3_store.variables)
    with running_service(environment) as service:
        assert service.client.post(PREDICT, json=example(contract)).json()["model_version"] == "1"
        digest = registry.get_version(contract.model_name, "1").digest
        assert service.client.get("/model").json()["digest"] == digest


def test_a_service_with_a_wrong_secret_key_reports_the_error_and_retries(
    trained_into_s3: Trained, s3_store: S3Store, tmp_path: Path
) -> None:
    wrong = {**s3_store.variables, "AWS_SECRET_ACCESS_KEY": "wrong"}
    uri = trained_into_s3.deployment.registry.tracking_uri
    with running_service(service_environment(tmp_path / "home", uri, **wrong), ready="/livez") as service:

        def problem() -> str:
            return str(service.client.get("/healthz").json()["parts"]["registry"]["problem"])

        wait_until(lambda: "v1 could not be downloaded: The request to the artifact store" in problem())
        assert "The request signature we calculated does not match" in problem()
        assert service.status_of("/ready") == 503
        assert "Traceback" not in service.output


def test_with_an_mlflow_server_only_the_server_accesses_the_bucket(
    trained_into_s3: Trained, s3_store: S3Store, contract: Contract, tmp_path: Path
) -> None:
    bundle = trained_into_s3.deployment.registry.download_bundle
    root = "s3://made-later/through"
    server = MlflowServer(tmp_path / "mlflow", artifact_root=root, variables=s3_store.variables)
    with mlflow_serving(server):
        registry = ModelRegistry(server.uri)
        with registry._client() as client:
            run_id = client.create_run(registry.experiment_id(contract.model_name)).info.run_id
        with pytest.raises(RegistryUnavailableError) as caught:
            registry.log_page(run_id, b"nothing", [PAGE])
        assert caught.value.message.startswith(f"MLflow request failed ({server.uri}): ")
        assert f"{PAGE} failed: " in caught.value.message
        assert "`pmmds logs mlflow`" in caught.value.next_step
        s3_store.client().create_bucket(Bucket="made-later")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in s3_store.variables.items():
                patch.setenv(name, value)
            folder = bundle(contract.model_name, "1", tmp_path / "bundle")
        digest = load_bundle(folder).digest
        version = register_bundle(registry, contract.model_name, folder, digest)
        registry.move_alias(contract.model_name, PRODUCTION, version)
        assert any(key.endswith(f"/{BUNDLE_PATH}/{MANIFEST}") for key in s3_store.keys("made-later"))
        with running_service(service_environment(tmp_path / "home", server.uri)) as service:
            assert service.client.post(PREDICT, json=example(contract)).json()["model_version"] == version
            assert service.client.get("/model").json()["digest"] == digest
    # The server did not send presigned URLs, because clients may be unable to reach the store.
    assert "presigned" not in (tmp_path / "mlflow" / "mlflow.log").read_text()


@pytest.mark.parametrize(
    ("root", "changed", "reason"),
    [
        ("s3://not-there/artifacts", {}, "The specified bucket does not exist (NoSuchBucket)"),
        (ROOT, {"AWS_ACCESS_KEY_ID": "AKIAWRONG"}, "does not exist in our records (InvalidAccessKeyId)"),
    ],
    ids=["no such bucket", "wrong key"],
)
def test_training_reports_the_reason_if_the_store_rejects_its_files(
    s3_store: S3Store, tmp_path: Path, root: str, changed: dict[str, str], reason: str
) -> None:
    given = {**s3_store.variables, **changed}
    said = pmmds(tmp_path / "home", "train", "--no-validate", given=given, PMMDS_MLFLOW_ARTIFACT_ROOT=root)
    assert said.code == 1
    assert f"The request to the artifact store {root} failed: " in said.sentence
    assert reason in said.sentence
    assert "Check PMMDS_MLFLOW_ARTIFACT_ROOT, MLFLOW_S3_ENDPOINT_URL and the credentials" in said.sentence


@pytest.fixture
def unused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ModelRegistry, str]:
    """Return a registry and a run whose artifact store is unreachable."""
    for name, value in {"MLFLOW_S3_ENDPOINT_URL": NOBODY, "AWS_MAX_ATTEMPTS": "1", "AWS_DEFAULT_REGION": "x"}.items():
        monkeypatch.setenv(name, value)
    registry = ModelRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}", ROOT)
    with registry._client() as client:
        return registry, client.create_run(registry.experiment_id("model")).info.run_id


def test_the_error_for_an_unreachable_store_states_its_address(
    unused: tuple[ModelRegistry, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    registry, run_id = unused
    with pytest.raises(RegistryUnavailableError, match="Could not connect to the endpoint URL") as caught:
        registry.log_page(run_id, b"page", [PAGE])
    assert str(caught.value).startswith(f"The request to the artifact store {ROOT} failed: ")
    assert NOBODY in str(caught.value)


def test_an_empty_s3_endpoint_url_is_ignored(
    unused: tuple[ModelRegistry, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "")
    with unused[0]._client():
        assert "MLFLOW_S3_ENDPOINT_URL" not in os.environ


def test_the_error_for_a_missing_module_names_the_extra_to_install(
    unused: tuple[ModelRegistry, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"{NOBODY}/other")  # MLflow caches one client per endpoint.
    registry, run_id = unused
    with pytest.raises(RegistryUnavailableError) as caught:
        registry.log_page(run_id, b"page", [PAGE])
    assert str(caught.value) == (
        f"The artifact store {ROOT} needs the Python module boto3, which is not installed. "
        "Install PMMDS with the extra `s3`."
    )
