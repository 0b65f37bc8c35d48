"""The jobs and their schedules. Each job can be launched from the UI, by a sensor or schedule, or from the CLI."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from pmmds_assets.names import PLAIN, LoopNames
from pmmds_assets.partitions import range_tags
from pmmds_assets.resources import DeploymentResource
from pmmds_core.deployment import Deployment
from pmmds_core.runtime.time_windows import HOUR, hourly_window

# A killed run keeps the status STARTED for this time, because the default launcher has no health check.
MAX_RUNTIME = {"dagster/max_runtime": "1800"}
# Runs that write models run one at a time (tag_concurrency_limits in dagster.yaml).
WRITES_MODELS = {"pmmds/writes": "models"}
# Schedules skip their ticks instead of stopping, so that each tick shows why it did not request a run.
SCHEDULES_OFF = dg.SkipReason(
    "Schedules are off (PMMDS_SCHEDULES=off). Launch runs with `pmmds monitor` or from the launchpad."
)

_TRAINING = (
    "reference_data",
    "labelled_predictions",
    "training_data",
    "trained_model",
    "reference_profile",
    "model_evaluation",
    "promotion_decision",
    "production_model",
)


@dataclass(frozen=True)
class JobPlan:
    """A job, independent of the names in a Dagster project. `ops` maps each op to its configuration."""

    name: str
    assets: tuple[str, ...]
    description: str
    tags: Mapping[str, str]
    ops: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


PLANS = (
    JobPlan(
        "train_job",
        _TRAINING,
        "Load and validate the data, train and evaluate a model, and promote it if it is better.",
        {**MAX_RUNTIME, **WRITES_MODELS},
    ),
    JobPlan(
        "retrain_job",
        (*_TRAINING, "performance_report"),
        "Retrain with labeled production rows, and compare champion and challenger on the newest of them.",
        {**MAX_RUNTIME, **WRITES_MODELS},
        {"training_data": {"config": {"block_without_labels": True}}},
    ),
    JobPlan(
        "monitor_job",
        ("feature_histograms", "drift_report"),
        "Count changed hours, check the window for drift, and open an alert if there is drift.",
        MAX_RUNTIME,
    ),
    JobPlan(
        "performance_job",
        ("performance_report", "shadow_report"),
        "Measure days with changed rows or labels, estimate days without labels, and evaluate the shadow challenger.",
        MAX_RUNTIME,
    ),
    JobPlan(
        "archive_job",
        ("prediction_archive", "retention"),
        "Archive days older than PMMDS_RETENTION_DAYS, create upcoming day partitions, and delete expired data.",
        {"dagster/max_runtime": "21600"},
    ),
    JobPlan(
        "reconcile_job",
        ("production_model",),
        "Finish a promotion that a crash interrupted.",
        {**MAX_RUNTIME, **WRITES_MODELS},
    ),
)


def make_jobs(
    names: LoopNames = PLAIN, executor: dg.ExecutorDefinition | None = None, assets: Collection[str] | None = None
) -> dict[str, Any]:
    """Return the jobs, indexed by their plain names.

    Args:
        names: the names that the project uses.
        executor: the jobs' executor. None uses the project's executor.
        assets: the assets that the project has. A job without its first asset is left out. None means all assets.
    """
    jobs = {}
    for plan in PLANS:
        selected = [name for name in plan.assets if assets is None or name in assets]
        if plan.assets[0] in selected:
            jobs[plan.name] = _job(plan, names, executor, selected)
    return jobs


def _job(plan: JobPlan, names: LoopNames, executor: dg.ExecutorDefinition | None, assets: Sequence[str]) -> Any:
    ops = {names.op(name): config for name, config in plan.ops.items()}
    return dg.define_asset_job(
        names.name(plan.name),
        selection=names.selection(*assets),
        description=plan.description,
        config={"ops": ops} if ops else None,
        tags=plan.tags,
        executor_def=executor,
    )


_JOBS = make_jobs()
train_job, retrain_job, monitor_job = _JOBS["train_job"], _JOBS["retrain_job"], _JOBS["monitor_job"]
performance_job, archive_job, reconcile_job = _JOBS["performance_job"], _JOBS["archive_job"], _JOBS["reconcile_job"]
all_jobs = list(_JOBS.values())


@dataclass(frozen=True)
class SchedulePlan:
    """A schedule, independent of the names in a Dagster project. `cron` is its default cron expression in UTC."""

    name: str
    job: str
    cron: str
    description: str
    request: Callable[[Deployment, datetime], dg.RunRequest]


def _monitored(deployment: Deployment, now: datetime) -> dg.RunRequest:
    return monitor_request(deployment, deployment.settings.drift_current_window_hours, now)


def monitor_request(deployment: Deployment, window: int, now: datetime | None = None) -> dg.RunRequest:
    """Return a run request for monitor_job with a window of `window` hours that ends now.

    Its partitions start at the first changed hour, because Dagster takes 50 ms per partition of a run. In a week with
    one changed hour, that would take most of the run.
    """
    start, end = hourly_window(now or datetime.now(UTC), window)
    changed = deployment.histograms.stale_hours(deployment.model_name, start, end)
    return dg.RunRequest(tags=dict(range_tags(min(changed, default=end - HOUR), end)))


SCHEDULE_PLANS = (
    SchedulePlan(
        "monitor_schedule",
        "monitor_job",
        "5 * * * *",
        "Monitor the window at five minutes past every hour, after the last hour's rows have arrived.",
        _monitored,
    ),
    SchedulePlan(
        "performance_schedule",
        "performance_job",
        "35 * * * *",
        "Measure performance every hour as labels arrive, half an hour after monitoring.",
        lambda _, __: dg.RunRequest(),
    ),
    SchedulePlan(
        "archive_schedule",
        "archive_job",
        "50 0 * * *",
        "Archive past days and delete expired data every night, after the last rows have arrived.",
        lambda _, __: dg.RunRequest(),
    ),
)


def make_schedules(
    jobs: Mapping[str, Any], names: LoopNames = PLAIN, crons: Mapping[str, str] | None = None
) -> dict[str, dg.ScheduleDefinition]:
    """Return the schedules of the existing jobs, indexed by their plain names.

    Args:
        jobs: the jobs that `make_jobs` returned.
        names: the names that the project uses.
        crons: a cron expression in UTC for each job, indexed by the job's plain name without `_job`. An empty
            expression means that the job has no schedule.
    """
    schedules = {}
    for plan in SCHEDULE_PLANS:
        cron = (crons or {}).get(plan.job.removesuffix("_job"), plan.cron)
        if cron and plan.job in jobs:
            schedules[plan.name] = _schedule(plan, jobs[plan.job], names, cron)
    return schedules


def _schedule(plan: SchedulePlan, job: Any, names: LoopNames, cron: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=names.name(plan.name),
        cron_schedule=cron,
        job=job,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=plan.description,
    )
    def schedule(
        context: dg.ScheduleEvaluationContext, deployment: DeploymentResource
    ) -> dg.RunRequest | dg.SkipReason:
        opened = deployment.open()
        if opened.settings.schedules == "off":
            return SCHEDULES_OFF
        return plan.request(opened, context.scheduled_execution_time.astimezone(UTC))

    return schedule


_SCHEDULES = make_schedules(_JOBS)
monitor_schedule = _SCHEDULES["monitor_schedule"]
performance_schedule, archive_schedule = _SCHEDULES["performance_schedule"], _SCHEDULES["archive_schedule"]
all_schedules = list(_SCHEDULES.values())
