"""Jobs and their schedules. Each job can be launched from the UI, by a sensor or schedule, or from the CLI."""

from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg

from pmmds_assets.partitions import range_tags
from pmmds_assets.resources import DeploymentResource
from pmmds_core.deployment import Deployment
from pmmds_core.runtime.time_windows import HOUR, hourly_window

# A killed run keeps the status STARTED for this long, because the default launcher has no health check.
MAX_RUNTIME = {"dagster/max_runtime": "1800"}
# Runs that write models run one at a time (tag_concurrency_limits in dagster.yaml).
WRITES_MODELS = {"pmmds/writes": "models"}
# Schedules skip their ticks instead of stopping, so that each tick shows why it did not request a run.
SCHEDULES_OFF = dg.SkipReason(
    "Schedules are off (PMMDS_SCHEDULES=off). Launch runs with `pmmds monitor` or from the launchpad."
)

# AssetSelection.assets avoids Dagster's query parser, which a list of names requires and which takes 0.05 s to import.
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
    selection=dg.AssetSelection.assets(*_TRAINING),
    description="Load and validate the data, train and evaluate a model, and promote it if it is better.",
    tags={**MAX_RUNTIME, **WRITES_MODELS},
)

retrain_job = dg.define_asset_job(
    "retrain_job",
    selection=dg.AssetSelection.assets(*_TRAINING, "performance_report"),
    description="Retrain with labeled production rows, and compare champion and challenger on the newest of them.",
    config={"ops": {"training_data": {"config": {"block_without_labels": True}}}},
    tags={**MAX_RUNTIME, **WRITES_MODELS},
)

monitor_job = dg.define_asset_job(
    "monitor_job",
    selection=dg.AssetSelection.assets("feature_histograms", "drift_report"),
    description="Count changed hours, check the window for drift, and open an alert if there is drift.",
    tags=MAX_RUNTIME,
)

performance_job = dg.define_asset_job(
    "performance_job",
    selection=dg.AssetSelection.assets("performance_report", "shadow_report"),
    description="Measure days with changed rows or labels, estimate days without labels, and evaluate the shadow "
    "challenger.",
    tags=MAX_RUNTIME,
)

archive_job = dg.define_asset_job(
    "archive_job",
    selection=dg.AssetSelection.assets("prediction_archive", "retention"),
    description="Archive days older than PMMDS_RETENTION_DAYS, create upcoming day partitions, and delete expired "
    "data.",
    tags={"dagster/max_runtime": "21600"},
)

reconcile_job = dg.define_asset_job(
    "reconcile_job",
    selection=dg.AssetSelection.assets("production_model"),
    description="Finish a promotion that a crash interrupted.",
    tags={**MAX_RUNTIME, **WRITES_MODELS},
)


def _unless_off(
    deployment: Deployment, request: Callable[[Deployment], dg.RunRequest]
) -> dg.RunRequest | dg.SkipReason:
    """Return a run request, or a skip reason if schedules are off."""
    return SCHEDULES_OFF if deployment.settings.schedules == "off" else request(deployment)


@dg.schedule(
    cron_schedule="5 * * * *",
    job=monitor_job,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Monitor the window at five minutes past every hour, after the last hour's rows have arrived.",
)
def monitor_schedule(
    context: dg.ScheduleEvaluationContext, deployment: DeploymentResource
) -> dg.RunRequest | dg.SkipReason:
    def up_to_now(deployment: Deployment) -> dg.RunRequest:
        at = context.scheduled_execution_time.astimezone(UTC)
        return monitor_request(deployment, deployment.settings.drift_current_window_hours, at)

    return _unless_off(deployment.open(), up_to_now)


def monitor_request(deployment: Deployment, window: int, now: datetime | None = None) -> dg.RunRequest:
    """Return a request for monitor_job over a window of `window` hours that ends now.

    Its partitions start at the first changed hour, because Dagster takes 50 ms per partition of a run. In a week with
    one changed hour, that would take most of the run.
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
    description="Archive past days and delete expired data every night, after the last rows have arrived.",
)
def archive_schedule(
    context: dg.ScheduleEvaluationContext, deployment: DeploymentResource
) -> dg.RunRequest | dg.SkipReason:
    return _unless_off(deployment.open(), lambda _: dg.RunRequest())


all_jobs = [train_job, retrain_job, monitor_job, performance_job, archive_job, reconcile_job]
all_schedules = [monitor_schedule, performance_schedule, archive_schedule]
