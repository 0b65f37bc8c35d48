"""PMMDS uses only certain parts of Dagster's private modules, and they work as expected."""

import importlib.util
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable

from pmmds_assets.dagster_internals import DAEMON_MODULE, delete_events, run_files
from pmmds_assets.results import Materialized

PACKAGE = Path(__file__).parents[2] / "pmmds_assets"


@dg.asset(check_specs=[dg.AssetCheckSpec("passes", asset="rows")])
def rows() -> Materialized:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="passes", passed=True)])


def test_only_the_adapter_imports_private_modules_of_dagster() -> None:
    importing = [file.name for file in PACKAGE.rglob("*.py") if "dagster._" in file.read_text(encoding="utf-8")]
    assert importing == ["dagster_internals.py"]


def test_the_daemon_module_can_be_run() -> None:
    assert importlib.util.find_spec(f"{DAEMON_MODULE}.__main__") is not None


def test_run_files_are_the_event_database_and_the_log_folder(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        run_id = dg.materialize([rows], instance=instance).run_id
        database, *_, logs = run_files(instance, run_id)
        assert database.is_file()
        assert (logs.name, logs.is_relative_to(tmp_path)) == (run_id, True)


def test_delete_events_deletes_events_and_check_results(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        run_id = dg.materialize([rows], instance=instance).run_id
        assert _n_checks(instance) == 1
        delete_events(instance, run_id)
        assert _n_checks(instance) == 0


def _n_checks(instance: dg.DagsterInstance) -> int:
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    with storage.index_connection() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(AssetCheckExecutionsTable)).scalar_one())
