"""What follows a report for the alert that is live: closed when it is over, and its changes told.

Keep out: when it is over (policies/alerts.py), how it is kept (stores/lifecycle/alerts.py) and sent
(stores/lifecycle/notifier.py).
"""

from __future__ import annotations

from pmmds_core.deployment import Deployment
from pmmds_core.errors import StoreError
from pmmds_core.policies.alerts import why_resolved
from pmmds_core.stores.lifecycle.notifier import deliver


def settle_alert(deployment: Deployment) -> str | None:
    """Close the model's live alert when the reports since say that it is over; why, or None."""
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


def tell_changes(deployment: Deployment) -> str:
    """Send what is due, and say in words what became of it. Monitoring goes on whatever happens here."""
    try:
        return deliver(deployment.outbox, deployment.alert_urls).text
    except StoreError as error:
        return f"not sent: {error}"
