"""Dagster's finished runs go when they are old enough, with events and logs; what an asset was made by stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pmmds_assets.run_retention import expire_runs


@dg.asset
def something() -> None: ...


@dg.op
def nothing() -> None: ...


@dg.job
def a_job() -> None:
    nothing()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as found:
        yield found


def run_ids(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


def test_old_runs_go_with_their_files_and_the_newest_of_an_asset_stays(instance: dg.DagsterInstance) -> None:
    first, second = (dg.materialize([something], instance=instance).run_id for _ in range(2))
    other = a_job.execute_in_process(instance=instance).run_id
    assert run_ids(instance) == {first, second, other}
    assert expire_runs(instance, datetime.now(UTC) - timedelta(days=1)) == 0
    assert expire_runs(instance, datetime.now(UTC) + timedelta(days=1)) == 2
    assert run_ids(instance) == {second}
    assert instance.get_latest_materialization_event(something.key) is not None
    root = Path(instance.root_directory)
    left = [path for path in root.rglob("*") if first in path.name or other in path.name]
    assert left == []


def test_a_run_that_has_not_finished_stays(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(a_job)
    assert expire_runs(instance, datetime.now(UTC) + timedelta(days=1)) == 0
    assert run_ids(instance) == {run.run_id}
