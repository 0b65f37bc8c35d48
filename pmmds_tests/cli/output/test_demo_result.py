"""What the demo says at its end can be copied into the shell that it was started from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pmmds_cli.output.demo_result import own_command
from pmmds_core.training.code_version import code_version


def test_without_pmmds_on_the_path_it_is_told_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = subprocess.run([own_command(), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"pmmds {code_version()}\n"


def test_with_it_on_the_path_its_name_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert own_command() == "pmmds"
