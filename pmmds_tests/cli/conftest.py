"""A home with a production model, created once per test process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pmmds_tests.harness.command_line import pmmds


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("cli") / "home"
    said = pmmds(home, "train")
    assert said.code == 0, said.err
    assert "In production: v1 (new)" in said.out
    return home


@pytest.fixture
def trained_home(trained_once: Path, tmp_path: Path) -> Path:
    """A copy that tests may change. MLflow stores absolute paths, so it uses the original's artifacts."""
    home = tmp_path / "home"
    shutil.copytree(trained_once, home, symlinks=True)
    return home
