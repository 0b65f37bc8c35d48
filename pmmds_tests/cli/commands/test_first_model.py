"""`pmmds up --train` rejects --foreground, and prints the request of the project that it runs in."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_cli.commands import first_model
from pmmds_core.config.settings import Settings
from pmmds_tests.harness.command_line import pmmds

SETTINGS = Settings(http_host="127.0.0.1", http_port=8123)


def test_train_cannot_be_combined_with_foreground(tmp_path: Path) -> None:
    said = pmmds(tmp_path / "home", "up", "--train", "--foreground")
    assert said.code == 2
    assert said.sentence == (
        "--train cannot be used with --foreground, which ends only with the processes. "
        "Run `pmmds train` in another terminal or container."
    )
    assert not (tmp_path / "home").exists()


def test_request_names_the_file_beside_the_settings_from_any_subfolder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "my project" / "notebooks").mkdir(parents=True)
    (tmp_path / "my project" / "pmmds.toml").touch()
    (tmp_path / "my project" / "example-request.json").touch()
    monkeypatch.chdir(tmp_path / "my project" / "notebooks")
    monkeypatch.delenv("PMMDS_CONFIG", raising=False)
    first_model.print_example(SETTINGS, "3")
    assert capsys.readouterr().out.splitlines() == [
        "The service predicts with v3. Request a first prediction:",
        "  curl -s http://127.0.0.1:8123/api/v1/predict \\",
        "    -H 'Content-Type: application/json' -d @../example-request.json",
    ]


def test_folder_without_an_example_request_names_the_api_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PMMDS_CONFIG", raising=False)
    first_model.print_example(SETTINGS, "3")
    assert capsys.readouterr().out == (
        "The service predicts with v3. http://127.0.0.1:8123/docs describes a prediction request.\n"
    )
