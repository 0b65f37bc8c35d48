"""External failures print one sentence with a next step, set the exit code, and lose no data."""

from __future__ import annotations

import fcntl
import resource
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest

from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.ports import free_ports

UNUSED_ADDRESS = "127.0.0.1:9"  # nothing listens on the discard port


@pytest.fixture
def used_port() -> Iterator[int]:
    with closing(socket.socket()) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield int(listening.getsockname()[1])


def test_unreachable_database_is_reported_without_its_password(tmp_path: Path) -> None:
    said = pmmds(tmp_path / "home", "decisions", PMMDS_DATABASE_URL=f"postgresql://ann:secret@{UNUSED_ADDRESS}/rows")
    assert said.code == 1
    assert "127.0.0.1" in said.sentence
    assert "secret" not in said.err


def test_a_file_that_is_not_a_database_is_left_unchanged(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "pmmds.db").write_text("this is a text file, not a database\n" * 50)
    said = pmmds(home, "decisions")
    assert said.code == 1
    assert "pmmds.db" in said.sentence
    assert (home / "pmmds.db").read_text().startswith("this is a text"), "the file is unchanged"


@pytest.mark.parametrize(
    "arguments",
    [("tokens", "revoke"), ("alerts", "resolve", "--by", "Ada"), ("audit", "--limit"), ("performance", "--days")],
)
def test_a_number_beyond_the_columns_of_the_database_is_rejected(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    said = pmmds(tmp_path / "home", *arguments, "99999999999999999999")
    assert said.code == 2
    assert "is not in the range" in said.err


def test_debug_prints_the_traceback(tmp_path: Path) -> None:
    said = pmmds(tmp_path / "home", "--debug", "decisions", PMMDS_DATABASE_URL=f"postgresql://{UNUSED_ADDRESS}/rows")
    assert said.code == 1
    assert "Traceback" in said.err
    assert "DatabaseUnavailableError" in said.err


@pytest.mark.slow
@pytest.mark.parametrize("command", ["monitor", "train"])
def test_unreachable_mlflow_is_reported(tmp_path: Path, command: str) -> None:
    said = pmmds(tmp_path / "home", command, PMMDS_MLFLOW_TRACKING_URI=f"http://{UNUSED_ADDRESS}", timeout=100)
    assert said.code == 1
    assert "MLflow" in said.sentence
    assert UNUSED_ADDRESS in said.sentence


@pytest.mark.parametrize("command", ["monitor", "retrain"])
def test_commands_without_a_production_model_suggest_the_next_step(tmp_path: Path, command: str) -> None:
    said = pmmds(tmp_path / "home", command)
    assert said.code == 1
    assert said.sentence == "No model is in production yet. Run `pmmds train` first."


def test_serve_fails_on_a_port_in_use(tmp_path: Path, used_port: int) -> None:
    said = pmmds(tmp_path / "home", "serve", PMMDS_HTTP_PORT=str(used_port))
    assert said.code == 1
    assert f"Port {used_port}" in said.sentence
    assert "PMMDS_HTTP_PORT" in said.sentence


PORT_VARIABLES = ("PMMDS_HTTP_PORT", "PMMDS_GRPC_PORT", "PMMDS_DAGSTER_PORT", "PMMDS_MLFLOW_PORT", "PMMDS_CONSOLE_PORT")


@pytest.mark.parametrize("variable", PORT_VARIABLES)
def test_up_starts_nothing_if_a_port_is_in_use(tmp_path: Path, used_port: int, variable: str) -> None:
    free = dict(zip(PORT_VARIABLES, map(str, free_ports(len(PORT_VARIABLES))), strict=True))
    said = pmmds(tmp_path / "home", "up", given={**free, variable: str(used_port)})
    assert said.code == 1
    assert f"Port {used_port}" in said.sentence
    assert variable in said.sentence
    assert "Nothing is running" in pmmds(tmp_path / "home", "status").out


@pytest.mark.parametrize("command", [["decisions"], ["train"], ["serve"], ["up"], ["db", "migrate"]])
def test_home_that_cannot_be_created_is_reported(tmp_path: Path, command: list[str]) -> None:
    said = pmmds(Path("/dev/null/home"), *command, cwd=tmp_path)
    assert said.code == 1
    assert "PMMDS_HOME" in said.sentence


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB. Skips the test if this machine cannot mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_full_disk_is_reported(tiny_disk: Path) -> None:
    said = pmmds(tiny_disk / "home", "train")
    assert said.code == 1
    assert "No space left on device" in said.sentence or "full" in said.sentence
    assert "Free disk space" in said.sentence


@pytest.mark.slow
def test_training_on_a_disk_that_fills_up_changes_nothing(trained_home: Path) -> None:
    def no_large_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    before = Deployment(Settings(home=str(trained_home))).decisions.recent()
    said = pmmds(trained_home, "train", before=no_large_files)
    assert said.code == 1
    assert said.sentence
    again = Deployment(Settings(home=str(trained_home)))
    assert again.decisions.recent() == before
    assert again.production_version().version == "1"
    assert pmmds(trained_home, "train").code == 0, "training works once there is space"


def spoil(path: Path) -> None:
    text = path.read_bytes()
    path.write_bytes(text.replace(b"intercept", b"Intercept") if b"intercept" in text else text[:-2] + b"0]")


@pytest.mark.slow
def test_modified_artifact_is_rejected_by_name(trained_home: Path) -> None:
    run_id = Deployment(Settings(home=str(trained_home))).production_version().run_id
    (scorer,) = (trained_home / "mlartifacts").rglob(f"{run_id}/artifacts/bundle/scorer.json")
    shutil.rmtree(trained_home / "profiles")
    spoil(scorer)
    said = pmmds(trained_home, "monitor")
    assert said.code == 1
    assert "scorer.json" in said.sentence
    assert "sha256" in said.sentence


@pytest.mark.slow
def test_modified_cache_is_downloaded_again(trained_home: Path) -> None:
    (cached,) = (trained_home / "profiles").rglob("scorer.json")
    spoil(cached)
    said = pmmds(trained_home, "train")
    assert said.code == 0, said.err


def test_second_concurrent_up_is_rejected(trained_home: Path) -> None:
    lock = trained_home / "run" / "up.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said = pmmds(trained_home, "up")
    assert said.code == 1
    assert said.sentence.startswith("Another `pmmds up` is starting")


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (["config"], {"PMMDS_HTTP_PORT": "eighty"}, ["PMMDS_HTTP_PORT='eighty'"]),
        (["config"], {"PMMDS_DRIFT_PSI_THRESHOLD": "-1"}, ["PMMDS_DRIFT_PSI_THRESHOLD='-1'"]),
        (["config"], {"PMMDS_PROMOTION_SIGNIFICANCE": "maybe"}, ["advisory, required"]),
        (["decisions"], {"PMMDS_CONTRACT": "nowhere.yaml"}, ["nowhere.yaml"]),
        (["decisions"], {"PMMDS_DATABASE_URL": "mysql://a:secret@b/c"}, ["PMMDS_DATABASE_URL"]),
        (["alerts", "ack", "7", "--by", "ann"], {}, ["There is no alert 7"]),
    ],
)
def test_wrong_usage_exits_with_2(
    tmp_path: Path, arguments: list[str], variables: dict[str, str], words: list[str]
) -> None:
    said = pmmds(tmp_path / "home", *arguments, given=variables)
    assert said.code == 2
    assert all(word in said.sentence for word in words)
    assert "secret" not in said.err


def test_invalid_contract_is_rejected_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    packaged = resources.files("pmmds_core").joinpath("contracts/telco_churn.yaml").read_text(encoding="utf-8")
    path.write_text(packaged.replace("kind: numeric", "kind: number", 1))
    line = 1 + packaged[: packaged.index("kind: numeric")].count("\n")
    said = pmmds(tmp_path / "home", "train", PMMDS_CONTRACT=str(path))
    assert said.code == 2
    assert f"mine.yaml, line {line}" in said.sentence
    assert "categorical, numeric" in said.sentence


def test_missing_data_file_is_reported(tmp_path: Path) -> None:
    said = pmmds(tmp_path / "home", "train", PMMDS_DATA_PATH="nowhere.csv")
    assert said.code == 1
    assert "nowhere.csv" in said.sentence


def test_traffic_reports_the_unreachable_service(tmp_path: Path) -> None:
    said = pmmds(tmp_path / "home", "traffic", "--count", "3", PMMDS_HTTP_PORT="9")
    assert said.code == 1
    assert "127.0.0.1:9" in said.sentence
