"""Homes with one and two model versions, trained once per test run and copied by tests (home_copies.py).

Not here: platforms on such a home (dagster_platform.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pmmds_tests.harness.built_once import built_once
from pmmds_tests.harness.command_line import pmmds
from pmmds_tests.harness.dagster_platform import copy_of, errors_of
from pmmds_tests.harness.home_copies import copy_home


def first_version_home(factory: pytest.TempPathFactory) -> Path:
    """Return a home with version 1 in production, as after a first `pmmds train`. No test may change the home."""

    def train(home: Path) -> None:
        said = pmmds(home, "train")
        assert said.code == 0, said.err
        assert "In production: v1 (new)" in said.out

    return built_once(factory, "first-version", train)


def two_versions_home(factory: pytest.TempPathFactory) -> Path:
    """Return a home with versions 1 and 2. Version 2 was promoted or held. No test may change the home."""

    def train_again(home: Path) -> None:
        # Train in another folder and copy it, because this process keeps the databases open.
        trained_here = factory.mktemp("second-version")
        result = copy_of(first_version_home(factory), trained_here, PMMDS_TRAIN_SEED="7").run("train_job")
        assert result.success, errors_of(result)
        copy_home(trained_here, home)

    return built_once(factory, "two-versions", train_again)
