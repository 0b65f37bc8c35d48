"""Sensors: each fetches, asks one pure function of the core, and translates the answer. On by default.

Keep out: rules; they are in pmmds_core.policies.retraining and the stores.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from pmmds_assets.jobs import reconcile_job, retrain_job
from pmmds_assets.loop_sensor import loop_sensor
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.retraining import Trigger
from pmmds_core.deployment import Deployment
from pmmds_core.policies.retraining import MAX_RUN, Wait, next_retraining
from pmmds_core.workflows.alert_resolution import send_notifications
from pmmds_core.workflows.retraining_outcome import book_failed_run
from pmmds_core.workflows.retraining_triggers import find_triggers

DRIFT_SENSOR_SECONDS = 5
OBSERVATION_SECONDS = 60
RECONCILE_SECONDS = 30
NOTIFICATION_SECONDS = 15
# A promotion takes well under a second; one that is older than this was left by a crash.
UNFINISHED_AFTER = timedelta(seconds=60)
_IN_FLIGHT = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@loop_sensor(
    job=retrain_job,
    minimum_interval_seconds=DRIFT_SENSOR_SECONDS,
    description="Whatever asks for a retraining (an open alert, a realized drop, labels, schedule) gets one at a time; "
    "run_key is cause and attempt.",
)
def drift_alert_sensor(
    context: dg.SensorEvaluationContext, deployment: DeploymentResource
) -> dg.RunRequest | dg.SkipReason:
    d, now = deployment.open(), datetime.now(UTC)
    causes, past = find_triggers(d, now)
    in_flight = is_retraining_in_flight(context.instance)
    step = next_retraining(causes, past, is_in_flight=in_flight, now=now, limits=d.retraining_limits)
    if isinstance(step, Wait):
        return dg.SkipReason(step.reason)
    return dg.RunRequest(run_key=step.run_key, tags=Trigger.of_request(step).to_tags())


def is_retraining_in_flight(instance: dg.DagsterInstance) -> bool:
    """Whether Dagster has a retrain_job run that has not ended, other than what a killed process left long ago."""
    after = datetime.now(UTC) - MAX_RUN
    wanted = dg.RunsFilter(job_name=retrain_job.name, statuses=_IN_FLIGHT, created_after=after)
    return bool(instance.get_runs(wanted, limit=1))


@loop_sensor(
    minimum_interval_seconds=OBSERVATION_SECONDS,
    description="Observes what the service wrote: row counts, newest row, model versions, data version.",
)
def prediction_log_sensor(
    context: dg.SensorEvaluationContext, deployment: DeploymentResource
) -> dg.SensorResult | dg.SkipReason:
    observations = observe(deployment.open())
    cursor = " ".join(o.tags["dagster/data_version"] for o in observations)
    if cursor == context.cursor:
        return dg.SkipReason("Nothing new was written.")
    return dg.SensorResult(asset_events=observations, cursor=cursor)


def observe(deployment: Deployment) -> list[dg.AssetObservation]:
    """One observation of each external asset; labels that came before their prediction are matched first."""
    deployment.ground_truth.match_waiting()
    log, truth = deployment.prediction_log.summary(), deployment.ground_truth.summary()
    return [
        dg.AssetObservation(
            "prediction_logs",
            metadata={
                "dagster/row_count": log.n_rows,
                "newest_predicted_at": str(log.newest_predicted_at or "none"),
                "model_versions": dg.MetadataValue.json(dict(log.versions)),
            },
            tags={"dagster/data_version": log.digest[:16]},
        ),
        dg.AssetObservation(
            "ground_truth",
            metadata={"dagster/row_count": truth.n_rows, "newest_received_at": str(truth.newest_received_at or "none")},
            tags={"dagster/data_version": truth.digest[:16]},
        ),
    ]


@dg.run_failure_sensor(
    monitored_jobs=[retrain_job],
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=DRIFT_SENSOR_SECONDS,
    description="Books a retraining whose run failed, so that the next attempt waits for the cool-down.",
)
def retraining_failure_sensor(context: dg.RunFailureSensorContext, deployment: DeploymentResource) -> None:
    book_failure(deployment.open(), context.dagster_run, context.failure_event.message or "The run failed.")


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    monitored_jobs=[retrain_job],
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=DRIFT_SENSOR_SECONDS,
    description="Books a retraining that a person cancelled.",
)
def retraining_canceled_sensor(context: dg.RunStatusSensorContext, deployment: DeploymentResource) -> None:
    book_failure(deployment.open(), context.dagster_run, "The run was cancelled.")


def book_failure(deployment: Deployment, run: dg.DagsterRun, reason: str) -> None:
    """Record the failed attempt of a retrain_job run."""
    book_failed_run(deployment, Trigger.of_tags(run.tags).of_run(run.run_id), reason)


@loop_sensor(
    job=reconcile_job,
    minimum_interval_seconds=RECONCILE_SECONDS,
    description="A promotion that was begun and not recorded is finished, or undone when its champion changed.",
)
def unfinished_promotion_sensor(
    context: dg.SensorEvaluationContext, deployment: DeploymentResource
) -> dg.RunRequest | dg.SkipReason:
    now = datetime.now(UTC)
    left = [x for x in deployment.open().decisions.unfinished() if _is_left(now - x.decided_at)]
    if not left:
        return dg.SkipReason("No promotion is unfinished.")
    # One try a minute, each with a key of its own, for as long as the registry does not answer.
    return dg.RunRequest(run_key=f"reconcile:{left[0].decision_id}:{now:%Y%m%d%H%M}")


def _is_left(age: timedelta) -> bool:
    """Whether a crash left it. An age below zero tells of a clock that was set back, not of a promotion under way."""
    return age > UNFINISHED_AFTER or age < timedelta(0)


@loop_sensor(
    minimum_interval_seconds=NOTIFICATION_SECONDS,
    description="Sends what is due to the URLs of PMMDS_ALERT_URLS; what was not taken is tried again, for an hour.",
)
def alert_notification_sensor(context: dg.SensorEvaluationContext, deployment: DeploymentResource) -> dg.SkipReason:
    told = send_notifications(deployment.open())
    context.log.info("Notifications: %s.", told)
    return dg.SkipReason(f"Notifications: {told}.")


all_sensors = [
    alert_notification_sensor,
    drift_alert_sensor,
    prediction_log_sensor,
    retraining_failure_sensor,
    retraining_canceled_sensor,
    unfinished_promotion_sensor,
]
