"""The sensors.

Each one reads the state, calls one pure function of pmmds_core and acts on the result. Sensors are enabled by default.
Each function returns the sensor for the names and jobs of a Dagster project.

Not here: rules (pmmds_core.policies.retraining, the stores).
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from pmmds_assets.jobs import reconcile_job, retrain_job
from pmmds_assets.loop_sensor import loop_sensor
from pmmds_assets.message_sensors import make_message_sensors
from pmmds_assets.names import PLAIN, LoopNames
from pmmds_assets.resources import DeploymentResource
from pmmds_assets.retraining import Trigger
from pmmds_core.deployment import Deployment
from pmmds_core.policies.retraining import MAX_RUN, Wait, next_retraining
from pmmds_core.workflows.retraining_outcome import book_failed_run
from pmmds_core.workflows.retraining_triggers import find_triggers

DRIFT_SENSOR_SECONDS = 5
OBSERVATION_SECONDS = 60
RECONCILE_SECONDS = 30
# A promotion takes well under a second, so one that is still unfinished after this time was interrupted by a crash.
UNFINISHED_AFTER = timedelta(seconds=60)
_IN_FLIGHT = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def make_drift_alert_sensor(job: Any, names: LoopNames = PLAIN) -> dg.SensorDefinition:
    """Return the sensor that launches `job`, the project's retrain_job."""

    @loop_sensor(
        name=names.name("drift_alert_sensor"),
        job=job,
        minimum_interval_seconds=DRIFT_SENSOR_SECONDS,
        description="Requests one retraining at a time for an active trigger (open alert, realized metric drop, "
        "labels, schedule). The run_key consists of the trigger and the attempt number.",
    )
    def drift_alert(
        context: dg.SensorEvaluationContext, deployment: DeploymentResource
    ) -> dg.RunRequest | dg.SkipReason:
        d, now = deployment.open(), datetime.now(UTC)
        causes, past = find_triggers(d, now)
        in_flight = is_retraining_in_flight(context.instance, job.name)
        step = next_retraining(causes, past, is_in_flight=in_flight, now=now, limits=d.retraining_limits)
        if isinstance(step, Wait):
            return dg.SkipReason(step.reason)
        return dg.RunRequest(run_key=step.run_key, tags=Trigger.of_request(step).to_tags())

    return drift_alert


def is_retraining_in_flight(instance: dg.DagsterInstance, job_name: str = retrain_job.name) -> bool:
    """Return True if a retrain_job run is queued or running.

    Ignores runs older than MAX_RUN, whose process was killed.
    """
    after = datetime.now(UTC) - MAX_RUN
    wanted = dg.RunsFilter(job_name=job_name, statuses=_IN_FLIGHT, created_after=after)
    return bool(instance.get_runs(wanted, limit=1))


def make_prediction_log_sensor(names: LoopNames = PLAIN) -> dg.SensorDefinition:
    """Return the sensor that observes prediction_logs and ground_truth."""

    @loop_sensor(
        name=names.name("prediction_log_sensor"),
        minimum_interval_seconds=OBSERVATION_SECONDS,
        description="Observes the tables written by the service: row counts, newest row, model versions and data "
        "version.",
    )
    def prediction_log(
        context: dg.SensorEvaluationContext, deployment: DeploymentResource
    ) -> dg.SensorResult | dg.SkipReason:
        observations = observe(deployment.open(), names)
        cursor = " ".join(o.tags["dagster/data_version"] for o in observations)
        if cursor == context.cursor:
            return dg.SkipReason("No new rows.")
        return dg.SensorResult(asset_events=observations, cursor=cursor)

    return prediction_log


def observe(deployment: Deployment, names: LoopNames = PLAIN) -> list[dg.AssetObservation]:
    """Match the labels that arrived before their predictions, and return one observation per external asset."""
    deployment.ground_truth.match_waiting()
    log, truth = deployment.prediction_log.summary(), deployment.ground_truth.summary()
    return [
        dg.AssetObservation(
            names.key("prediction_logs"),
            metadata={
                "dagster/row_count": log.n_rows,
                "newest_predicted_at": str(log.newest_predicted_at or "none"),
                "model_versions": dg.MetadataValue.json(dict(log.versions)),
            },
            tags={"dagster/data_version": log.digest[:16]},
        ),
        dg.AssetObservation(
            names.key("ground_truth"),
            metadata={"dagster/row_count": truth.n_rows, "newest_received_at": str(truth.newest_received_at or "none")},
            tags={"dagster/data_version": truth.digest[:16]},
        ),
    ]


def make_retraining_failure_sensor(job: Any, names: LoopNames = PLAIN) -> dg.SensorDefinition:
    """Return the sensor that records failed runs of `job`, the project's retrain_job."""

    @dg.run_failure_sensor(
        name=names.name("retraining_failure_sensor"),
        monitored_jobs=[job],
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=DRIFT_SENSOR_SECONDS,
        description="Records failed retraining runs, so that the next attempt waits for the cool-down.",
    )
    def retraining_failure(context: dg.RunFailureSensorContext, deployment: DeploymentResource) -> None:
        book_failure(deployment.open(), context.dagster_run, context.failure_event.message or "The run failed.")

    return retraining_failure


def make_retraining_canceled_sensor(job: Any, names: LoopNames = PLAIN) -> dg.SensorDefinition:
    """Return the sensor that records canceled runs of `job`, the project's retrain_job."""

    @dg.run_status_sensor(
        name=names.name("retraining_canceled_sensor"),
        run_status=dg.DagsterRunStatus.CANCELED,
        monitored_jobs=[job],
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=DRIFT_SENSOR_SECONDS,
        description="Records a canceled retraining.",
    )
    def retraining_canceled(context: dg.RunStatusSensorContext, deployment: DeploymentResource) -> None:
        book_failure(deployment.open(), context.dagster_run, "The run was canceled.")

    return retraining_canceled


def book_failure(deployment: Deployment, run: dg.DagsterRun, reason: str) -> None:
    """Record a failed retrain_job run as a failed attempt."""
    book_failed_run(deployment, Trigger.of_tags(run.tags).of_run(run.run_id), reason)


def make_unfinished_promotion_sensor(job: Any, names: LoopNames = PLAIN) -> dg.SensorDefinition:
    """Return the sensor that launches `job`, the project's reconcile_job."""

    @loop_sensor(
        name=names.name("unfinished_promotion_sensor"),
        job=job,
        minimum_interval_seconds=RECONCILE_SECONDS,
        description="Finishes a promotion that was started but not recorded, or aborts it if the champion has changed.",
    )
    def unfinished_promotion(
        context: dg.SensorEvaluationContext, deployment: DeploymentResource
    ) -> dg.RunRequest | dg.SkipReason:
        now = datetime.now(UTC)
        interrupted = [x for x in deployment.open().decisions.unfinished() if _is_interrupted(now - x.decided_at)]
        if not interrupted:
            return dg.SkipReason("There is no unfinished promotion.")
        # While the registry does not respond, there is one attempt per minute, each with its own run key.
        return dg.RunRequest(run_key=f"reconcile:{interrupted[0].decision_id}:{now:%Y%m%d%H%M}")

    return unfinished_promotion


def _is_interrupted(age: timedelta) -> bool:
    """Return True if a crash interrupted the promotion. A negative age means that the clock was set back."""
    return age > UNFINISHED_AFTER or age < timedelta(0)


def make_sensors(jobs: Mapping[str, Any], names: LoopNames = PLAIN) -> dict[str, dg.SensorDefinition]:
    """Return the sensors of the existing jobs, indexed by their plain names.

    Args:
        jobs: the jobs that `jobs.make_jobs` returned.
        names: the names that the project uses.
    """
    sensors = {
        **make_message_sensors(names),
        "prediction_log_sensor": make_prediction_log_sensor(names),
    }
    if retrain := jobs.get("retrain_job"):
        sensors["drift_alert_sensor"] = make_drift_alert_sensor(retrain, names)
        sensors["retraining_failure_sensor"] = make_retraining_failure_sensor(retrain, names)
        sensors["retraining_canceled_sensor"] = make_retraining_canceled_sensor(retrain, names)
    if reconcile := jobs.get("reconcile_job"):
        sensors["unfinished_promotion_sensor"] = make_unfinished_promotion_sensor(reconcile, names)
    return sensors


_SENSORS = make_sensors({"retrain_job": retrain_job, "reconcile_job": reconcile_job})
alert_notification_sensor, webhook_sensor = _SENSORS["alert_notification_sensor"], _SENSORS["webhook_sensor"]
drift_alert_sensor, prediction_log_sensor = _SENSORS["drift_alert_sensor"], _SENSORS["prediction_log_sensor"]
retraining_failure_sensor = _SENSORS["retraining_failure_sensor"]
retraining_canceled_sensor = _SENSORS["retraining_canceled_sensor"]
unfinished_promotion_sensor = _SENSORS["unfinished_promotion_sensor"]
all_sensors = list(_SENSORS.values())
