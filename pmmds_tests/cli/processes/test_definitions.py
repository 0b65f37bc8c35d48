"""The settings define the right processes and options. No process is started."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pmmds_assets.instance.dagster_home import dagster_variables, instance_file, prepare_dagster_home
from pmmds_cli.processes.definitions import child_environment, local_processes, single_processes
from pmmds_core.config.settings import Settings, load_settings
from pmmds_core.errors import SettingError
from pmmds_tests.harness.command_line import pmmds

POSTGRES = "postgresql://ann:hidden@db:5432/dagster"


def names(settings: Settings) -> list[str]:
    return [p.name for p in local_processes(settings)]


def test_external_mlflow_server_is_not_started() -> None:
    away = Settings(mlflow_tracking_uri="http://mlflow.example:5000")
    assert "mlflow" not in names(away)
    ours = Settings(mlflow_tracking_uri="http://127.0.0.1:5000", mlflow_database_url=POSTGRES)
    assert "mlflow" in names(ours)
    assert "mlflow" in names(Settings(mlflow_tracking_uri=POSTGRES))
    assert "mlflow" in names(Settings())


def test_console_is_the_first_process_and_can_be_left_out() -> None:
    settings = Settings(console_host="::", console_port=8123)
    console = local_processes(settings)[0]
    assert (console.name, console.page) == ("console", "http://[::1]:8123/")
    assert "console" not in [p.name for p in local_processes(settings, with_console=False)]


def test_mlflow_server_proxies_artifacts_and_hides_its_database_url() -> None:
    settings = Settings(
        mlflow_tracking_uri="http://127.0.0.1:5000",
        mlflow_database_url=POSTGRES,
        mlflow_artifact_root="s3://bucket/models/",
    )
    process = single_processes(settings)["mlflow"]
    assert process.argv[-2:] == ["--artifacts-destination", "s3://bucket/models"]
    assert "hidden" not in process.command
    assert process.variables["MLFLOW_BACKEND_STORE_URI"] == POSTGRES.replace("postgresql", "postgresql+psycopg")


@pytest.mark.parametrize(("given", "handed_on"), [("", None), ("http://store:9000", "http://store:9000")])
def test_empty_s3_endpoint_is_treated_as_unset(
    monkeypatch: pytest.MonkeyPatch, given: str, handed_on: str | None
) -> None:
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", given)
    settings = Settings(mlflow_artifact_root="s3://bucket/models")
    environment = child_environment(settings, [single_processes(settings)["mlflow"]])
    assert environment.get("MLFLOW_S3_ENDPOINT_URL") == handed_on


def test_artifacts_are_in_the_home_or_at_the_configured_root(tmp_path: Path) -> None:
    process = single_processes(Settings(home=str(tmp_path)))["mlflow"]
    assert process.argv[-2:] == ["--default-artifact-root", f"file://{tmp_path}/mlartifacts"]
    process = single_processes(Settings(mlflow_artifact_root=str(tmp_path / "with space")))["mlflow"]
    assert process.argv[-1] == f"file://{tmp_path}/with%20space"


def test_web_server_and_daemon_use_the_configured_code_server() -> None:
    found = single_processes(Settings(dagster_code_server="code:4001"))
    for name in ("dagster-webserver", "dagster-daemon"):
        assert found[name].argv[-4:] == ["--grpc-host", "code", "--grpc-port", "4001"]
    assert found["dagster-code"].port == 4001


@pytest.mark.parametrize("text", ["code", "http://code:4000", "code:x", ":4000"])
def test_invalid_code_server_address_is_rejected(text: str) -> None:
    with pytest.raises(SettingError, match=r"PMMDS_DAGSTER_CODE_SERVER.*expected host:port"):
        load_settings({"PMMDS_DAGSTER_CODE_SERVER": text})


def test_instance_file_follows_the_storage_setting(tmp_path: Path) -> None:
    embedded = Settings(home=str(tmp_path))
    shared = Settings(home=str(tmp_path), dagster_database_url=POSTGRES)
    file = prepare_dagster_home(embedded) / "dagster.yaml"
    assert file.resolve() == instance_file()
    prepare_dagster_home(shared)
    text = file.read_text(encoding="utf-8")
    document = yaml.safe_load(text)
    assert document["storage"] == {"postgres": {"postgres_url": {"env": "PMMDS_DAGSTER_DATABASE_URL"}}}
    assert document["run_coordinator"]["class"] == "QueuedRunCoordinator"
    assert "hidden" not in text
    prepare_dagster_home(embedded)
    assert file.resolve() == instance_file()
    assert "storage" not in yaml.safe_load(instance_file().read_text(encoding="utf-8"))


def test_user_written_instance_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "dagster").mkdir()
    own = tmp_path / "dagster" / "dagster.yaml"
    own.write_text("telemetry: {enabled: false}\n")
    prepare_dagster_home(Settings(home=str(tmp_path)))
    prepare_dagster_home(Settings(home=str(tmp_path), dagster_database_url=POSTGRES))
    assert own.read_text() == "telemetry: {enabled: false}\n"


def test_dagster_url_uses_the_driver_that_dagster_ships(tmp_path: Path) -> None:
    found = dagster_variables(Settings(home=str(tmp_path), dagster_database_url=POSTGRES))
    assert found["PMMDS_DAGSTER_DATABASE_URL"] == "postgresql+psycopg2://ann:hidden@db:5432/dagster"
    assert "PMMDS_DAGSTER_DATABASE_URL" not in dagster_variables(Settings(home=str(tmp_path)))


def test_other_processes_create_no_dagster_home(tmp_path: Path) -> None:
    settings = Settings(home=str(tmp_path))
    child_environment(settings, [single_processes(settings)["mlflow"]])
    assert not (tmp_path / "dagster").exists()


def test_an_unknown_process_name_lists_the_processes(tmp_path: Path) -> None:
    said = pmmds(tmp_path / "home", "run", "everything")
    assert said.code == 2
    assert "Choose one of console, serving, mlflow, dagster-webserver, dagster-daemon, dagster-code." in said.sentence


def test_mlflow_server_without_a_database_is_wrong_usage(tmp_path: Path) -> None:
    said = pmmds(tmp_path / "home", "run", "mlflow", PMMDS_MLFLOW_TRACKING_URI="http://mlflow:5000")
    assert said.code == 2
    assert "PMMDS_MLFLOW_DATABASE_URL" in said.sentence
