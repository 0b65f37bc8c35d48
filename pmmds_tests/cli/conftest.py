"""Fixture: a home with a production model."""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_tests.harness.home_copies import copy_home
from pmmds_tests.harness.trained_homes import first_version_home


@pytest.fixture
def trained_home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a home after `pmmds train`, which tests may change."""
    return copy_home(first_version_home(tmp_path_factory), tmp_path / "home")
