"""Direct access to MLflow's tables, REST API and artifact folders, compared with the MLflow library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
import sqlalchemy as sa

from pmmds_core.stores.artifacts.direct_registry import DirectAccessError, DirectRegistry
from pmmds_tests.harness.mlflow_server import MlflowServer, mlflow_serving

MODEL, PAGE = "churn-classifier", "drift/latest.html"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("server", marks=pytest.mark.process)])
def tracking_uri(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        yield f"sqlite:///{folder / 'mlflow.db'}"
        return
    with mlflow_serving(MlflowServer(folder)) as server:
        yield server.uri


@pytest.fixture(scope="module")
def client(tracking_uri: str, tmp_path_factory: pytest.TempPathFactory) -> mlflow.MlflowClient:
    """A registry with two versions of one model; the alias `production` points to the second."""
    client = mlflow.MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    location = None if tracking_uri.startswith("http") else str(tmp_path_factory.mktemp("artifacts"))
    experiment = client.create_experiment(MODEL, artifact_location=location)
    client.create_registered_model(MODEL)
    for _ in range(2):
        run_id = client.create_run(experiment).info.run_id
        client.log_text(run_id, "{}", "bundle/manifest.json")
        client.create_model_version(MODEL, f"runs:/{run_id}/bundle", run_id=run_id, tags={"digest": "abc"})
    client.set_registered_model_alias(MODEL, "production", "2")
    return client


def test_versions_equal_those_from_the_mlflow_library(tracking_uri: str, client: mlflow.MlflowClient) -> None:
    expected = client.get_model_version(MODEL, "2")
    direct = DirectRegistry(tracking_uri)
    for version in (direct.by_alias(MODEL, "production"), direct.by_number(MODEL, "2")):
        assert (version.name, version.version, version.run_id) == (MODEL, str(expected.version), expected.run_id)
        assert (version.tags, version.creation_timestamp) == (expected.tags, expected.creation_timestamp)


def test_the_mlflow_library_can_read_a_page_written_directly(tracking_uri: str, client: mlflow.MlflowClient) -> None:
    run_id = str(client.get_model_version(MODEL, "1").run_id)
    for content in (b"first", b"second"):
        DirectRegistry(tracking_uri).put(run_id, PAGE, content)
    assert Path(client.download_artifacts(run_id, PAGE)).read_bytes() == b"second"
    assert [f.path for f in client.list_artifacts(run_id, "drift")] == [PAGE]


def test_missing_versions_fall_back_to_the_mlflow_library(tracking_uri: str, client: mlflow.MlflowClient) -> None:
    direct = DirectRegistry(tracking_uri)
    with pytest.raises(DirectAccessError):
        direct.by_alias(MODEL, "nothing")
    with pytest.raises(DirectAccessError):
        direct.by_number(MODEL, "99")


def test_local_artifacts_are_read_from_their_folder(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = mlflow.MlflowClient(tracking_uri=uri)
    run_id = client.create_run(client.create_experiment("e", str(tmp_path / "with space"))).info.run_id
    client.log_text(run_id, "{}", "bundle/manifest.json")
    assert (DirectRegistry(uri).local_artifacts(run_id) / "bundle" / "manifest.json").read_text() == "{}"
    with pytest.raises(DirectAccessError):
        DirectRegistry(uri).local_artifacts("no-such-run")


def test_reading_from_a_missing_mlflow_database_does_not_create_it(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    with pytest.raises(DirectAccessError):
        DirectRegistry(f"sqlite:///{file}").by_alias(MODEL, "production")
    assert not file.exists()


def test_unknown_mlflow_tables_fall_back_to_the_mlflow_library(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    engine = sa.create_engine(uri)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE registered_model_aliases (name TEXT, alias TEXT, version INTEGER)"))
    engine.dispose()
    with pytest.raises(DirectAccessError):
        DirectRegistry(uri).by_alias(MODEL, "production")


def test_an_unavailable_server_falls_back_to_the_mlflow_library() -> None:
    with pytest.raises(DirectAccessError):
        DirectRegistry("http://127.0.0.1:9").by_alias(MODEL, "production")
