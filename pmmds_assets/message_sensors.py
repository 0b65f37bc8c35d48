"""Sensors that send the outbox's notifications for people and events for programs.

They are separate, so that a target that does not respond delays only its own kind. Not here: sending
(pmmds_core.workflows.alert_updates), the other sensors (sensors.py).
"""

import dagster as dg

from pmmds_assets.loop_sensor import loop_sensor
from pmmds_assets.names import LoopNames
from pmmds_assets.resources import DeploymentResource
from pmmds_core.workflows.alert_updates import send_notifications, send_webhooks

NOTIFICATION_SECONDS = 15


def make_message_sensors(names: LoopNames) -> dict[str, dg.SensorDefinition]:
    """Return the message sensors, indexed by their plain names."""

    @loop_sensor(
        name=names.name("alert_notification_sensor"),
        minimum_interval_seconds=NOTIFICATION_SECONDS,
        description="Sends due notifications to PMMDS_ALERT_URLS and retries failed ones for an hour.",
    )
    def alert_notification(context: dg.SensorEvaluationContext, deployment: DeploymentResource) -> dg.SkipReason:
        result = send_notifications(deployment.open())
        context.log.info("Notifications: %s.", result)
        return dg.SkipReason(f"Notifications: {result}.")

    @loop_sensor(
        name=names.name("webhook_sensor"),
        minimum_interval_seconds=NOTIFICATION_SECONDS,
        description="Sends due events to PMMDS_WEBHOOK_URLS and retries failed ones for an hour.",
    )
    def webhook(context: dg.SensorEvaluationContext, deployment: DeploymentResource) -> dg.SkipReason:
        result = send_webhooks(deployment.open())
        context.log.info("Webhooks: %s.", result)
        return dg.SkipReason(f"Webhooks: {result}.")

    return {"alert_notification_sensor": alert_notification, "webhook_sensor": webhook}
