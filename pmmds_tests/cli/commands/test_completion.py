"""The shells complete commands, ids, versions and settings. Each shell's protocol is called as its script calls it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pmmds_tests.harness.command_line import environment_of
from pmmds_tests.harness.long_texts import (
    ALERT_ID,
    DECISION_ID,
    PENDING_ID,
    REPORT_ID,
    VERSION,
    long_text_deployment,
)

PMMDS = Path(sys.executable).with_name("pmmds")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("completion") / "home"
    database = long_text_deployment(home).database
    yield home
    database.close()


def variables_of(shell: str, line: str) -> dict[str, str]:
    """The variables that the completion script of a shell sets for a command line, with the cursor at its end."""
    common = {"_PMMDS_COMPLETE": f"complete_{shell}"}
    if shell == "bash":
        return {**common, "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    return {**common, "_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}


def completed(home: Path, shell: str, line: str) -> str:
    done = subprocess.run(
        [str(PMMDS)],
        env=environment_of(home, **variables_of(shell, line)),
        cwd=home.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_completes_commands_and_ids(home: Path, shell: str) -> None:
    assert "alerts" in completed(home, shell, "pmmds al")
    found = completed(home, shell, "pmmds open decision ")
    assert DECISION_ID in found
    assert PENDING_ID in found


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("pmmds alerts ack ", [str(ALERT_ID)]),
        ("pmmds alerts history ", [str(ALERT_ID)]),
        ("pmmds approve ", [PENDING_ID]),
        ("pmmds rollback --to ", [VERSION]),
        ("pmmds reproduce ", [VERSION]),
        ("pmmds open r", ["report"]),
        ("pmmds open report ", [str(REPORT_ID)]),
        ("pmmds config drift.psi", ["drift.psi_threshold"]),
        ("pmmds config PMMDS_DRIFT_PSI", ["PMMDS_DRIFT_PSI_THRESHOLD"]),
        ("pmmds run con", ["console"]),
        ("pmmds traffic --drift mig", ["migration"]),
    ],
)
def test_values_of_the_deployment_are_completed(home: Path, line: str, values: list[str]) -> None:
    assert completed(home, "bash", line).split() == values


def test_help_texts_may_contain_brackets(home: Path) -> None:
    found = completed(home, "fish", "pmmds alerts ack ")
    assert found.startswith(f"{ALERT_ID}\tacknowledged: Drift of tenure")


def test_completion_without_a_deployment_creates_nothing(tmp_path: Path) -> None:
    assert completed(tmp_path / "home", "bash", "pmmds alerts ack ").strip() == ""
    assert list(tmp_path.iterdir()) == []


def test_broken_settings_complete_no_values(tmp_path: Path) -> None:
    (tmp_path / "pmmds.toml").write_text("not toml", encoding="utf-8")
    assert completed(tmp_path / "home", "bash", "pmmds alerts ack ").strip() == ""


@pytest.mark.parametrize(
    ("shell", "file"),
    [("bash", ".bash_completions/pmmds.sh"), ("zsh", ".zfunc/_pmmds"), ("fish", ".config/fish/completions/pmmds.fish")],
)
def test_script_is_shown_and_installed_offline(tmp_path: Path, shell: str, file: str) -> None:
    variables = {**environment_of(tmp_path / "home"), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown, installed = (
        subprocess.run([str(PMMDS), option, shell], env=variables, capture_output=True, text=True, check=True)
        for option in ("--show-completion", "--install-completion")
    )
    assert f"_PMMDS_COMPLETE=complete_{shell}" in shown.stdout
    assert "pmmds" in (tmp_path / file).read_text(encoding="utf-8")
    assert str(tmp_path / file) in installed.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_with_the_shown_script(home: Path) -> None:
    script = (
        'eval "$(pmmds --show-completion bash)"\n'
        "COMP_WORDS=(pmmds alerts ack ''); COMP_CWORD=3\n"
        '_pmmds_completion pmmds; echo "found ${COMPREPLY[*]}"'
    )
    variables = environment_of(home, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    variables["PATH"] = f"{PMMDS.parent}{os.pathsep}{variables['PATH']}"
    done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True, check=False)
    assert done.stdout == f"found {ALERT_ID}\n", done.stderr
