"""Records the outcome of a retraining and its consequences for the trigger, in one transaction.

Add a consequence here. Not here: starting a retraining (policies/retraining.py), database rows
(stores/lifecycle/retrainings.py).
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from pmmds_core.deployment import Deployment
from pmmds_core.policies.notifications import gave_up
from pmmds_core.policies.retraining import gives_up
from pmmds_core.runtime.plurals import counted
from pmmds_core.stores.lifecycle.retrainings import Attempt, RetrainingRun


def end_retraining(
    deployment: Deployment,
    run_id: str,
    outcome: str,
    reason: str,
    *,
    challenger_version: str | None = None,
    n_new_labels: int | None = None,
) -> None:
    """Record the outcome of a run and, after a trigger's last attempt, that manual action is needed."""
    with deployment.database.begin() as connection:
        run = deployment.retrainings.finish(connection, run_id, outcome, reason, challenger_version, n_new_labels)
        _give_up_when_due(deployment, connection, run)


def book_failed_run(deployment: Deployment, attempt: Attempt, reason: str) -> None:
    """Record a run that failed or was killed, even if the run had not yet claimed its attempt."""
    with deployment.database.begin() as connection:
        run = deployment.retrainings.record_failure(connection, attempt, reason)
        _give_up_when_due(deployment, connection, run)


def _give_up_when_due(deployment: Deployment, connection: sa.Connection, run: RetrainingRun | None) -> None:
    """Record once per trigger that the trigger was given up, and send a notification.

    If the trigger has an alert, the notification is sent through the alert.
    """
    if run is None or run.cause is None:
        return
    if not gives_up(run.cause, run.outcome, run.attempt, deployment.settings.retrain_max_attempts):
        return
    if deployment.retrainings.has_given_up(connection, run.cause):
        return
    deployment.retrainings.mark_given_up(connection, run.retraining_id)
    message = given_up_text(run)
    if run.alert_id is None:
        notification = gave_up(deployment.model_name, run.retraining_id, message)
        deployment.publisher.notify(connection, notification, datetime.now(UTC))
    else:
        deployment.alerts.note_given_up(connection, run.alert_id, message)


def given_up_text(run: RetrainingRun) -> str:
    """Return the text of the notification that a trigger needs manual action."""
    trigger = f" Trigger: {run.cause_text}" if run.cause_text and run.alert_id is None else ""
    return (
        f"No new model after {counted(run.attempt, 'retraining attempt')} (last outcome: {run.outcome}: "
        f"{run.reason.rstrip('.')}). Manual action is needed.{trigger}"
    )
