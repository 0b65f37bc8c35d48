"""All uses of Dagster's private API in PMMDS. pyproject.toml limits Dagster's version for this reason.

Not here: choosing the runs to delete (run_retention.py), the executor (training_runs.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData

from pmmds_core.config.urls import sqlite_url

if TYPE_CHECKING:
    # These types appear in the signature of dg.Executor, but dagster does not export them.
    from dagster._core.execution.context.system import PlanOrchestrationContext as PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan as ExecutionPlan
    from dagster._core.execution.retries import RetryMode as RetryMode
    from dagster._core.execution.step_dependency_config import StepDependencyConfig as StepDependencyConfig

# This is the module that the command `dagster-daemon` runs.
DAEMON_MODULE = "dagster._daemon"


class EscapedSqliteStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage for a DAGSTER_HOME whose path has a % or a ?, configured by instance/dagster_home.py.

    Dagster inserts the path into a URL without escaping it. SQLAlchemy decodes %20 and reads the text after a ? as
    options, so that the database would be created outside the home. Importing this module corrects the URL.
    """

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> EscapedSqliteStorage:
        return cls.from_local(config_value["base_dir"], inst_data=inst_data)


def _escaped_url(base_dir: str, db_name: str) -> str:
    return sqlite_url(Path(base_dir).absolute() / f"{db_name}.db")


for _module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
    cast("Any", _module).create_db_conn_string = _escaped_url


def run_files(instance: dg.DagsterInstance, run_id: str) -> Iterator[Path]:
    """Yield the paths of a run's files: its SQLite event database and the folder of its step logs.

    Yields nothing for storage on another machine. The files may not exist.
    """
    events, logs = instance.event_log_storage, instance.compute_log_manager
    if isinstance(events, SqliteEventLogStorage):
        shard = events.path_for_shard(run_id)
        yield from (Path(f"{shard}{suffix}") for suffix in ("", "-wal", "-shm", "-journal"))
    if isinstance(logs, LocalComputeLogManager):
        yield Path(logs.get_captured_local_path([run_id, "compute_logs", "any"], "out")).parents[1]


def delete_events(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete a run's events and asset check results, which Dagster does not delete with the run.

    With SQLite, this deletes only the rows in the shared index. The event database is one of `run_files`.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        storage.delete_events(run_id)
    if isinstance(storage, SqlEventLogStorage):
        with storage.index_connection() as connection:
            checks = AssetCheckExecutionsTable
            connection.execute(sa.delete(checks).where(checks.c.run_id == run_id))
            storage.delete_events_for_run(connection, run_id)


def renamed(asset: dg.AssetsDefinition, op_name: str, keys: Mapping[dg.AssetKey, dg.AssetKey]) -> dg.AssetsDefinition:
    """Return the asset with another op name and other keys, which also apply to its dependencies and checks.

    Op names are unique in a code location. Without this change, a project's asset could not have the same name as one
    of PMMDS's assets.
    """
    replaced = asset.with_attributes(asset_key_replacements=keys)
    node = replaced.op.with_replaced_properties(name=op_name)
    return type(asset).dagster_internal_init(**{**replaced.get_attributes_dict(), "node_def": node})
