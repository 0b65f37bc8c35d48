"""Dagster's finished runs that are older than their retention period: events, check results, logs, and the run.

The run that holds the newest materialization of an asset stays, so that Dagster goes on showing it. Keep out: PMMDS's
own kinds (pmmds_core.workflows.expiry), ticks of schedules and sensors (Dagster's own `retention` in dagster.yaml).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

from pmmds_core.workflows.expired_files import n_bytes_of, remove
from pmmds_core.workflows.expiry import Expired

KIND = "Dagster runs"
# Runs that one night deletes at most; hourly jobs make about 50 a day.
MAX_RUNS = 2000
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def expire_runs(instance: dg.DagsterInstance, days: int, now: datetime | None = None) -> Expired:
    """Delete finished runs that were created more than `days` days ago, oldest first; 0 keeps all.

    A run's record goes last: a run whose deletion was stopped is found and deleted the next time.
    """
    if not days:
        return Expired(KIND, 0)
    before = (now or datetime.now(UTC)) - timedelta(days=days)
    run_ids = old_runs(instance, before)
    return Expired(KIND, days, len(run_ids), sum(_delete(instance, run_id) for run_id in run_ids))


def old_runs(instance: dg.DagsterInstance, before: datetime) -> list[str]:
    """Ids of at most MAX_RUNS finished runs that were created before an instant and may go."""
    kept = _newest_materializations(instance)
    wanted = dg.RunsFilter(statuses=_FINISHED, created_before=before)
    # More than may go are read, so that the runs that are kept do not fill the night.
    records = instance.get_run_records(wanted, limit=MAX_RUNS + len(kept), ascending=True)
    ids = [record.dagster_run.run_id for record in records]
    return [run_id for run_id in ids if run_id not in kept][:MAX_RUNS]


def _newest_materializations(instance: dg.DagsterInstance) -> set[str]:
    events = (instance.get_latest_materialization_event(key) for key in instance.get_asset_keys())
    return {event.run_id for event in events if event is not None}


def _delete(instance: dg.DagsterInstance, run_id: str) -> int:
    """Returns the bytes of the run's own files: none where Dagster keeps events and logs elsewhere."""
    files = [path for path in _files(instance, run_id) if path.exists()]
    n_bytes = sum(n_bytes_of(path) for path in files)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    _delete_events(instance, run_id)
    remove(path for path in files if path.exists())
    instance.run_storage.delete_run(run_id)
    return n_bytes


def _files(instance: dg.DagsterInstance, run_id: str) -> Iterator[Path]:
    """What a run has for itself on this disk: with SQLite a database of its events, and the logs of its steps."""
    events, logs = instance.event_log_storage, instance.compute_log_manager
    if isinstance(events, SqliteEventLogStorage):
        shard = events.path_for_shard(run_id)
        yield from (Path(f"{shard}{suffix}") for suffix in ("", "-wal", "-shm", "-journal"))
    if isinstance(logs, LocalComputeLogManager):
        yield Path(logs.get_captured_local_path([run_id, "compute_logs", "any"], "out")).parents[1]


def _delete_events(instance: dg.DagsterInstance, run_id: str) -> None:
    """Events, and the results of asset checks, which Dagster leaves when a run is deleted.

    SQLite's database of the run itself is one of its files, and may be gone already.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        storage.delete_events(run_id)
    if isinstance(storage, SqlEventLogStorage):
        with storage.index_connection() as connection:
            checks = AssetCheckExecutionsTable
            connection.execute(sa.delete(checks).where(checks.c.run_id == run_id))
            storage.delete_events_for_run(connection, run_id)
