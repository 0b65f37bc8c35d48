"""Resolves the live alert after a report and sends the notifications and webhook events that are due.

Not here: the rules for resolving an alert (policies/alert_resolution.py), database rows (stores/lifecycle/alerts.py),
the senders (stores/lifecycle/notifier.py, stores/lifecycle/webhook_sender.py).
"""

from __future__ import annotations

from pmmds_core.config.webhooks import words_of
from pmmds_core.deployment import Deployment
from pmmds_core.errors import StoreError
from pmmds_core.policies.alert_resolution import why_resolved
from pmmds_core.stores.lifecycle.notifier import deliver


def resolve_alert(deployment: Deployment) -> str | None:
    """Resolve the model's live alert if the reports since its last drift allow it.

    Returns the reason, or None if the alert was not resolved.
    """
    alert = deployment.alerts.live(deployment.model_name)
    if alert is None:
        return None
    drifted = deployment.drift.get(alert.report_id)
    against = alert.model_version if drifted is None else drifted.model_version
    why = why_resolved(
        deployment.drift.since(alert.report_id, deployment.model_name),
        against,
        deployment.settings.alert_stable_reports,
    )
    if why is None or not deployment.alerts.resolve_unless_seen(alert, why):
        return None
    return f"Alert {alert.alert_id}: {why}"


def send_notifications(deployment: Deployment) -> str:
    """Send the notifications that are due, and return a summary.

    This function never raises, so that monitoring continues if sending fails.
    """
    try:
        return deliver(deployment.outbox, deployment.alert_urls).text
    except StoreError as error:
        return f"not sent: {error}"


def send_webhooks(deployment: Deployment) -> str:
    """Send the events that are due, and return a summary.

    This function never raises, so that monitoring continues if sending fails.
    """
    from pmmds_core.stores.lifecycle.webhook_sender import Webhooks, deliver_webhooks

    webhooks = Webhooks(deployment.webhook_urls, words_of(deployment.settings.webhook_secret))
    try:
        return deliver_webhooks(deployment.outbox, webhooks).text
    except StoreError as error:
        return f"not sent: {error}"
