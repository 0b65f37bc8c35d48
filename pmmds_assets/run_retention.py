"""Deletes finished Dagster runs past their retention period: events, check results, logs and the run record.

A run with the newest materialization of an asset is kept, so that Dagster still shows it. Not here: PMMDS's own data
(pmmds_core.workflows.retention), schedule and sensor ticks (`retention` in dagster.yaml), Dagster's storage classes
(dagster_internals.py).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import dagster as dg

from pmmds_assets.dagster_internals import delete_events, run_files
from pmmds_core.workflows.expired_files import n_bytes_of, remove
from pmmds_core.workflows.retention import Expired

KIND = "Dagster runs"
# The maximum number of runs that are deleted per night. Hourly jobs create about 50 runs a day.
MAX_RUNS = 2000
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


def expire_runs(
    instance: dg.DagsterInstance, days: int, now: datetime | None = None, job_names: Collection[str] = ()
) -> Expired:
    """Delete finished runs that were created more than `days` days ago, oldest first. The value 0 keeps all runs.

    Each run's record is deleted last, so that the next call completes an interrupted deletion.

    Args:
        instance: Dagster's instance.
        days: the retention period in days.
        now: the current time. None reads the clock.
        job_names: the jobs whose runs are deleted. If empty, the runs of all jobs in the instance are deleted.
    """
    if not days:
        return Expired(KIND, 0)
    before = (now or datetime.now(UTC)) - timedelta(days=days)
    run_ids = old_runs(instance, before, job_names)
    return Expired(KIND, days, len(run_ids), sum(_delete(instance, run_id) for run_id in run_ids))


def old_runs(instance: dg.DagsterInstance, before: datetime, job_names: Collection[str] = ()) -> list[str]:
    """Return the ids of at most MAX_RUNS finished runs that were created before `before` and can be deleted."""
    protected = _newest_materializations(instance)
    # Read more than MAX_RUNS, so that runs that must be kept do not use up the limit.
    limit, ids = MAX_RUNS + len(protected), list[str]()
    jobs: Collection[str | None] = job_names or [None]
    for job_name in jobs:
        wanted = dg.RunsFilter(job_name=job_name, statuses=_FINISHED, created_before=before)
        records = instance.get_run_records(wanted, limit=limit, ascending=True)
        ids += [record.dagster_run.run_id for record in records]
    return [run_id for run_id in ids if run_id not in protected][:MAX_RUNS]


def _newest_materializations(instance: dg.DagsterInstance) -> set[str]:
    events = (instance.get_latest_materialization_event(key) for key in instance.get_asset_keys())
    return {event.run_id for event in events if event is not None}


def _delete(instance: dg.DagsterInstance, run_id: str) -> int:
    """Return the size of the run's files in bytes, or 0 if Dagster stores events and logs elsewhere."""
    files = [path for path in run_files(instance, run_id) if path.exists()]
    n_bytes = sum(n_bytes_of(path) for path in files)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    delete_events(instance, run_id)
    remove(path for path in files if path.exists())
    instance.run_storage.delete_run(run_id)
    return n_bytes
