"""Jobs and their schedules. Each job can be launched from the UI, by a sensor or schedule, and by the command line."""

from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg

from pmmds_assets.partitions import range_tags
from pmmds_assets.resources import DeploymentResource
from pmmds_core.deployment import Deployment
from pmmds_core.runtime.time_windows import HOUR, hourly_window

# A run that was killed hard stays STARTED until this passes: the default launcher has no health check.
MAX_RUNTIME = {"dagster/max_runtime": "1800"}
# Runs that write models take turns (see tag_concurrency_limits in dagster.yaml).
WRITES_MODELS = {"pmmds/writes": "models"}
# A schedule's answer rather than its status: the tick says on its page why nothing was asked for.
SCHEDULES_OFF = dg.SkipReason("PMMDS_SCHEDULES=off: `pmmds monitor` and the launchpad ask for runs.")

_TRAINING = [
    "reference_data",
    "labelled_predictions",
    "training_data",
    "trained_model",
    "reference_profile",
    "model_evaluation",
    "promotion_decision",
    "production_model",
]

train_job = dg.define_asset_job(
    "train_job",
    selection=_TRAINING,
    description="Load, check, train, judge and, when it is better, put into production.",
    tags={**MAX_RUNTIME, **WRITES_MODELS},
)

retrain_job = dg.define_asset_job(
    "retrain_job",
    selection=[*_TRAINING, "performance_report"],
    description="Train again with labelled production rows; the newest of them judge champion and challenger.",
    config={"ops": {"training_data": {"config": {"block_without_labels": True}}}},
    tags={**MAX_RUNTIME, **WRITES_MODELS},
)

monitor_job = dg.define_asset_job(
    "monitor_job",
    selection=["feature_histograms", "drift_report"],
    description="Count the hours that changed, judge the window, raise an alert when it drifted.",
    tags=MAX_RUNTIME,
)

performance_job = dg.define_asset_job(
    "performance_job",
    selection=["performance_report", "shadow_report"],
    description="Measure the days whose rows or labels changed, estimate those without labels; compare the shadow.",
    tags=MAX_RUNTIME,
)

archive_job = dg.define_asset_job(
    "archive_job",
    selection=["prediction_archive", "retention"],
    description="Archive the days that PMMDS_RETENTION_DAYS does not keep, make days of the log ahead, and remove what "
    "is older than its retention period.",
    tags={"dagster/max_runtime": "21600"},
)

reconcile_job = dg.define_asset_job(
    "reconcile_job",
    selection=["production_model"],
    description="Finish a promotion that a crash left unfinished.",
    tags={**MAX_RUNTIME, **WRITES_MODELS},
)


def _unless_off(deployment: Deployment, ask: Callable[[Deployment], dg.RunRequest]) -> dg.RunRequest | dg.SkipReason:
    """What a schedule's tick answers."""
    return SCHEDULES_OFF if deployment.settings.schedules == "off" else ask(deployment)


@dg.schedule(
    cron_schedule="5 * * * *",
    job=monitor_job,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Monitor the window every hour, five minutes past, when the hour's rows have arrived.",
)
def monitor_schedule(
    context: dg.ScheduleEvaluationContext, deployment: DeploymentResource
) -> dg.RunRequest | dg.SkipReason:
    def up_to_now(deployment: Deployment) -> dg.RunRequest:
        at = context.scheduled_execution_time.astimezone(UTC)
        return monitor_request(deployment, deployment.settings.drift_current_window_hours, at)

    return _unless_off(deployment.open(), up_to_now)


def monitor_request(deployment: Deployment, window: int, now: datetime | None = None) -> dg.RunRequest:
    """A run of monitor_job over the window of that many hours that ends now.

    Its partitions are the hours from the first that changed on: Dagster takes 50 ms for each partition of a run, which
    is most of the time when a week is asked for and one hour changed.
    """
    start, end = hourly_window(now or datetime.now(UTC), window)
    changed = deployment.histograms.stale_hours(deployment.model_name, start, end)
    return dg.RunRequest(tags=dict(range_tags(min(changed, default=end - HOUR), end)))


@dg.schedule(
    cron_schedule="35 * * * *",
    job=performance_job,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Measure performance every hour as labels arrive, half an hour after monitoring.",
)
def performance_schedule(
    context: dg.ScheduleEvaluationContext, deployment: DeploymentResource
) -> dg.RunRequest | dg.SkipReason:
    return _unless_off(deployment.open(), lambda _: dg.RunRequest())


@dg.schedule(
    cron_schedule="50 0 * * *",
    job=archive_job,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Archive the days that are over every night, when their last rows have arrived; apply retention.",
)
def archive_schedule(
    context: dg.ScheduleEvaluationContext, deployment: DeploymentResource
) -> dg.RunRequest | dg.SkipReason:
    return _unless_off(deployment.open(), lambda _: dg.RunRequest())


all_jobs = [train_job, retrain_job, monitor_job, performance_job, archive_job, reconcile_job]
all_schedules = [monitor_schedule, performance_schedule, archive_schedule]
