"""Everything PMMDS uses of Dagster's private modules; the versions are bounded in pyproject.toml.

Not here: what is deleted and when (run_retention.py), the executor (training_runs.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

if TYPE_CHECKING:
    # In the signature of dg.Executor, which exports none of them.
    from dagster._core.execution.context.system import PlanOrchestrationContext as PlanOrchestrationContext
    from dagster._core.execution.plan.plan import ExecutionPlan as ExecutionPlan
    from dagster._core.execution.retries import RetryMode as RetryMode
    from dagster._core.execution.step_dependency_config import StepDependencyConfig as StepDependencyConfig

# The module that the command `dagster-daemon` runs.
DAEMON_MODULE = "dagster._daemon"


def run_files(instance: dg.DagsterInstance, run_id: str) -> Iterator[Path]:
    """Yield a run's own paths on this disk: its SQLite event database and the folder of its step logs.

    Yields nothing for a storage that is not on this disk. A path may not exist.
    """
    events, logs = instance.event_log_storage, instance.compute_log_manager
    if isinstance(events, SqliteEventLogStorage):
        shard = events.path_for_shard(run_id)
        yield from (Path(f"{shard}{suffix}") for suffix in ("", "-wal", "-shm", "-journal"))
    if isinstance(logs, LocalComputeLogManager):
        yield Path(logs.get_captured_local_path([run_id, "compute_logs", "any"], "out")).parents[1]


def delete_events(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete a run's events and asset check results; Dagster keeps the latter when it deletes a run.

    With SQLite a run's event database is one of `run_files`; only its rows in the shared index are deleted here.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        storage.delete_events(run_id)
    if isinstance(storage, SqlEventLogStorage):
        with storage.index_connection() as connection:
            checks = AssetCheckExecutionsTable
            connection.execute(sa.delete(checks).where(checks.c.run_id == run_id))
            storage.delete_events_for_run(connection, run_id)
