"""PMMDS_HOME and the archive contain customer data and are created with mode 0700."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pmmds_assets.instance.dagster_home import prepare_dagster_home
from pmmds_cli.processes.supervisor import Supervisor
from pmmds_core.config.settings import Settings
from pmmds_core.deployment import Deployment
from pmmds_core.runtime.private_folders import make_private
from pmmds_core.stores.database.engine import open_database


def rights_of(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


def start(settings: Settings) -> None:
    with Supervisor(settings).starting():
        pass


@pytest.mark.parametrize(
    "first",
    [open_database, prepare_dagster_home, start, lambda settings: Deployment(settings).folder("spool")],
    ids=["database", "dagster", "supervisor", "folder"],
)
def test_every_component_creates_the_home_with_mode_0700(first: Callable[[Settings], object], tmp_path: Path) -> None:
    home = tmp_path / "state" / "home"
    first(Settings(home=str(home)))
    assert rights_of(home) == 0o700
    assert rights_of(tmp_path / "state") & 0o055, "the mode of parent folders does not change"


def test_the_mode_of_an_existing_folder_does_not_change(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o775)
    make_private(shared)
    Deployment(msgspec.structs.replace(Settings(), home=str(shared))).folder("reports")
    assert rights_of(shared) == 0o775
    assert rights_of(shared / "reports") & 0o055
