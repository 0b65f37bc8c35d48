"""Dagster's own history: finished runs that are older than PMMDS_RETENTION_DAGSTER_DAYS, with events and logs.

The run with the newest materialization of an asset stays, however old it is. Keep out: schedules' ticks (dagster.yaml).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import dagster as dg

# A night removes as many runs at most; the next one goes on.
MAX_RUNS = 2_000
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def expire_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete finished runs that were created before an aware instant, oldest first. Returns how many."""
    kept = _newest_materializations(instance)
    wanted = dg.RunsFilter(statuses=_FINISHED, created_before=before)
    runs = [r for r in instance.get_runs(wanted, limit=MAX_RUNS + len(kept), ascending=True) if r.run_id not in kept]
    for run in runs[:MAX_RUNS]:
        instance.compute_log_manager.delete_logs(prefix=[run.run_id])
        instance.delete_run(run.run_id)
        _shard(instance, run.run_id).unlink(missing_ok=True)
    return len(runs[:MAX_RUNS])


def _newest_materializations(instance: dg.DagsterInstance) -> set[str]:
    """Ids of the runs that materialized each asset last."""
    found = (instance.get_latest_materialization_event(key) for key in instance.all_asset_keys())
    return {event.run_id for event in found if event is not None}


def _shard(instance: dg.DagsterInstance, run_id: str) -> Path:
    """The file with a run's events where Dagster keeps them in SQLite; it stays, empty, when the events are deleted."""
    return Path(instance.root_directory) / "history" / "runs" / f"{run_id}.db"
