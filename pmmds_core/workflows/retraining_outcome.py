"""The end of a retraining, with what follows for its cause, in one transaction.

Add a consequence of an end here. Keep out: when to start one (policies/retraining.py), rows
(stores/lifecycle/retrainings.py).
"""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from pmmds_core.deployment import Deployment
from pmmds_core.policies.notifications import gave_up
from pmmds_core.policies.retraining import gives_up
from pmmds_core.stores.lifecycle.outbox import enqueue
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
    """Record how a run ended, and where it was the last attempt that its cause may have, that a person is needed."""
    with deployment.database.begin() as connection:
        run = deployment.retrainings.finish(connection, run_id, outcome, reason, challenger_version, n_new_labels)
        _leave_to_a_person_when_due(deployment, connection, run)


def book_failed_run(deployment: Deployment, attempt: Attempt, reason: str) -> None:
    """The same for a run that died, whether or not it had claimed its attempt."""
    with deployment.database.begin() as connection:
        run = deployment.retrainings.record_failure(connection, attempt, reason)
        _leave_to_a_person_when_due(deployment, connection, run)


def _leave_to_a_person_when_due(deployment: Deployment, connection: sa.Connection, run: RetrainingRun | None) -> None:
    """Said once for a cause: on its alert where it has one, and to whom PMMDS_ALERT_URLS names."""
    if run is None or run.cause is None:
        return
    if not gives_up(run.cause, run.outcome, run.attempt, deployment.settings.retrain_max_attempts):
        return
    if deployment.retrainings.has_given_up(connection, run.cause):
        return
    deployment.retrainings.mark_given_up(connection, run.retraining_id)
    words = given_up_words(run)
    if run.alert_id is None:
        notice = gave_up(deployment.model_name, run.retraining_id, words)
        enqueue(connection, notice, deployment.alert_targets, datetime.now(UTC))
    else:
        deployment.alerts.note_given_up(connection, run.alert_id, words)


def given_up_words(run: RetrainingRun) -> str:
    """What a person reads of a cause that is left to them."""
    asked = f" It was asked for because: {run.cause_text}" if run.cause_text and run.alert_id is None else ""
    return (
        f"{run.attempt} attempts to retrain brought no new model (the last one: {run.outcome}: "
        f"{run.reason.rstrip('.')}); it waits for a person.{asked}"
    )
