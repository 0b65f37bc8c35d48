"""The commands in the demo's summary run in the shell that started it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pmmds_cli.output.demo_result import own_command
from pmmds_core.training.code_version import code_version


def test_summary_names_the_full_path_if_pmmds_is_not_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = subprocess.run([own_command(), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"pmmds {code_version()}\n"


def test_summary_names_only_pmmds_if_it_is_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert own_command() == "pmmds"
