"""`pmmds config` shows values, places and origins of settings, and errors in `pmmds.toml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_tests.harness.command_line import Said, pmmds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A subfolder of a folder with a settings file."""
    (tmp_path / "sub").mkdir()
    write(tmp_path, '[drift]\npsi_threshold = 0.3\n[service]\nadmin_token = "hidden-word"\n')
    return tmp_path / "sub"


def write(folder: Path, text: str) -> None:
    file = folder / "pmmds.toml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)


def config(folder: Path, *arguments: str, **variables: str) -> Said:
    return pmmds(folder / "home", "config", *arguments, cwd=folder, given=variables)


@pytest.mark.parametrize("key", ["drift.psi_threshold", "PMMDS_DRIFT_PSI_THRESHOLD"])
def test_a_setting_can_be_printed_by_either_name(folder: Path, key: str) -> None:
    assert config(folder, key).out == "0.3\n"
    assert config(folder, key, PMMDS_DRIFT_PSI_THRESHOLD="0.5").out == "0.5\n"


def test_origins_are_shown_on_request(folder: Path) -> None:
    said = config(folder, "drift.psi_threshold", "--show-origin")
    assert said.out == f"0.3\t{folder.parent}/pmmds.toml:2\n"
    said = config(folder, "drift.psi_threshold", "--show-origin", PMMDS_DRIFT_PSI_THRESHOLD="0.5")
    assert said.out == "0.5\tPMMDS_DRIFT_PSI_THRESHOLD\n"
    rows = {row["path"]: row for row in config(folder, "--json").document}
    assert rows["service.http_port"]["origin"] == "default"
    assert rows["service.admin_token"]["origin"] == f"{folder.parent}/pmmds.toml:4"
    assert "origin" in config(folder, "--show-origin").out


def test_secrets_are_hidden_in_every_form(folder: Path) -> None:
    for arguments in ([], ["--json"], ["--show-origin"], ["service.admin_token"]):
        said = config(folder, *arguments)
        assert said.code == 0
        assert "hidden-word" not in said.out + said.err


def test_an_unknown_setting_exits_with_2_and_suggests_a_name(folder: Path) -> None:
    said = config(folder, "drift.psi_treshold")
    assert said.code == 2
    assert "Did you mean drift.psi_threshold?" in said.sentence


def test_an_invalid_file_stops_commands_but_not_their_help(folder: Path) -> None:
    write(folder.parent, "\n[drfit]\n")
    said = config(folder)
    assert said.code == 2
    assert said.sentence.startswith(f"{folder.parent}/pmmds.toml:2: ")
    assert config(folder, "--help").code == 0


def test_a_file_with_secrets_that_others_can_read_prints_one_warning(folder: Path) -> None:
    (folder.parent / "pmmds.toml").chmod(0o644)
    said = config(folder, "home")
    assert said.code == 0
    assert said.err.count("Warning: ") == 1
    assert "chmod 600" in said.err
