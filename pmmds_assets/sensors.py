"""Sensors.

Each reads the state, calls one pure function of pmmds_core and acts on the result. Sensors are enabled by default.

Not here: rules (pmmds_core.policies.retraining, the stores).
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from pmmds_assets.jobs import reconcile_job, retrain_job
from pmmds_assets.loop_sensor import loop_sensor
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.retraining import Trigger
from pmmds_core.deployment import Deployment
from pmmds_core.policies.retraining import MAX_RUN, Wait, next_retraining
from pmmds_core.workflows.alert_updates import send_notifications
from pmmds_core.workflows.retraining_outcome import book_failed_run
from pmmds_core.workflows.retraining_triggers import find_triggers

DRIFT_SENSOR_SECONDS = 5
OBSERVATION_SECONDS = 60
RECONCILE_SECONDS = 30
NOTIFICATION_SECONDS = 15
# A promotion takes well under a second, so one that is still unfinished after this time was interrupted by a crash.
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
    description="Requests one retraining at a time for an active trigger (open alert, realized metric drop, labels, "
    "schedule). The run_key consists of trigger and attempt.",
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
    """Return True if a retrain_job run is queued or running.

    Ignores runs older than MAX_RUN, whose process was killed.
    """
    after = datetime.now(UTC) - MAX_RUN
    wanted = dg.RunsFilter(job_name=retrain_job.name, statuses=_IN_FLIGHT, created_after=after)
    return bool(instance.get_runs(wanted, limit=1))


@loop_sensor(
    minimum_interval_seconds=OBSERVATION_SECONDS,
    description="Observes the tables written by the service: row counts, newest row, model versions and data version.",
)
def prediction_log_sensor(
    context: dg.SensorEvaluationContext, deployment: DeploymentResource
) -> dg.SensorResult | dg.SkipReason:
    observations = observe(deployment.open())
    cursor = " ".join(o.tags["dagster/data_version"] for o in observations)
    if cursor == context.cursor:
        return dg.SkipReason("No new rows.")
    return dg.SensorResult(asset_events=observations, cursor=cursor)


def observe(deployment: Deployment) -> list[dg.AssetObservation]:
    """Match labels that arrived before their prediction, then return one observation per external asset."""
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
    description="Records failed retraining runs, so that the next attempt waits for the cool-down.",
)
def retraining_failure_sensor(context: dg.RunFailureSensorContext, deployment: DeploymentResource) -> None:
    book_failure(deployment.open(), context.dagster_run, context.failure_event.message or "The run failed.")


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.CANCELED,
    monitored_jobs=[retrain_job],
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=DRIFT_SENSOR_SECONDS,
    description="Records a canceled retraining.",
)
def retraining_canceled_sensor(context: dg.RunStatusSensorContext, deployment: DeploymentResource) -> None:
    book_failure(deployment.open(), context.dagster_run, "The run was canceled.")


def book_failure(deployment: Deployment, run: dg.DagsterRun, reason: str) -> None:
    """Record a failed retrain_job run as a failed attempt."""
    book_failed_run(deployment, Trigger.of_tags(run.tags).of_run(run.run_id), reason)


@loop_sensor(
    job=reconcile_job,
    minimum_interval_seconds=RECONCILE_SECONDS,
    description="Finishes a promotion that was started but not recorded, or aborts it if the champion has changed.",
)
def unfinished_promotion_sensor(
    context: dg.SensorEvaluationContext, deployment: DeploymentResource
) -> dg.RunRequest | dg.SkipReason:
    now = datetime.now(UTC)
    interrupted = [x for x in deployment.open().decisions.unfinished() if _is_interrupted(now - x.decided_at)]
    if not interrupted:
        return dg.SkipReason("There is no unfinished promotion.")
    # While the registry does not respond, there is one attempt per minute, each with its own run key.
    return dg.RunRequest(run_key=f"reconcile:{interrupted[0].decision_id}:{now:%Y%m%d%H%M}")


def _is_interrupted(age: timedelta) -> bool:
    """Return True if a crash interrupted the promotion. A negative age means that the clock was set back."""
    return age > UNFINISHED_AFTER or age < timedelta(0)


@loop_sensor(
    minimum_interval_seconds=NOTIFICATION_SECONDS,
    description="Sends due notifications to PMMDS_ALERT_URLS and retries failed ones for an hour.",
)
def alert_notification_sensor(context: dg.SensorEvaluationContext, deployment: DeploymentResource) -> dg.SkipReason:
    result = send_notifications(deployment.open())
    context.log.info("Notifications: %s.", result)
    return dg.SkipReason(f"Notifications: {result}.")


all_sensors = [
    alert_notification_sensor,
    drift_alert_sensor,
    prediction_log_sensor,
    retraining_failure_sensor,
    retraining_canceled_sensor,
    unfinished_promotion_sensor,
]
