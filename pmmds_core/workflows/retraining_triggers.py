"""Finds the active retraining triggers, with their reasons, for the retraining policy.

Add a trigger here, and its type in policies/retraining.py. Not here: starting a retraining (policies/retraining.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from pmmds_core.deployment import Deployment
from pmmds_core.policies.decision import Decision
from pmmds_core.policies.retraining import (
    ALERT,
    BLOCKED_NO_LABELS,
    LABELS,
    PERFORMANCE,
    SCHEDULE,
    PastRetraining,
    RetrainingTrigger,
)
from pmmds_core.runtime.plurals import counted
from pmmds_core.statistics.auc_difference import PerformanceDrop, measure_drop
from pmmds_core.statistics.classification import auc_interval, has_both_classes
from pmmds_core.stores.lifecycle.retrainings import alert_cause
from pmmds_core.workflows.performance_limits import holdout_auc

# The maximum number of labeled rows for the realized ROC-AUC. More rows would hardly change it.
N_NEWEST = 20_000


def find_triggers(deployment: Deployment, now: datetime) -> tuple[list[RetrainingTrigger], list[PastRetraining]]:
    """Return the active triggers in order of priority, and the past retrainings that the policy needs.

    Raises:
        StoreError: the database is unreachable. An error never means that there is no trigger.
    """
    triggers = [
        trigger
        for trigger in (alert_of(deployment), *_of_the_champion(deployment, now), _schedule(deployment, now))
        if trigger is not None
    ]
    past = deployment.retrainings.past([trigger.key for trigger in triggers], now)
    return [_with_labels_since(deployment, trigger, past) for trigger in triggers], past


def alert_of(deployment: Deployment, *, always: bool = False) -> RetrainingTrigger | None:
    """Return the oldest open alert as a trigger.

    If `always` is True, the alert is a trigger even if PMMDS_RETRAIN_ON_ALERT is off.
    """
    if deployment.settings.retrain_on_alert == "off" and not always:
        return None
    alert = min(deployment.alerts.open_alerts(), key=lambda a: a.alert_id, default=None)
    return (
        None if alert is None else RetrainingTrigger(ALERT, alert_cause(alert.alert_id), alert.message, alert.alert_id)
    )


def find_for_person(deployment: Deployment, now: datetime) -> tuple[RetrainingTrigger | None, list[PastRetraining]]:
    """Return the trigger that a manual request counts toward.

    This is the oldest open alert or, if there is none, the first active trigger.
    """
    triggers, _ = find_triggers(deployment, now)
    trigger = alert_of(deployment, always=True) or next(iter(triggers), None)
    return trigger, deployment.retrainings.past([trigger.key] if trigger else [], now)


def _of_the_champion(deployment: Deployment, now: datetime) -> Iterator[RetrainingTrigger | None]:
    s = deployment.settings
    if s.retrain_on_performance_drop == "off" and not s.retrain_every_labels:
        return
    pointer = deployment.decisions.pointer()
    judged = None if pointer is None else deployment.decisions.last_promotion_of(pointer.version)
    if judged is None:
        return
    if s.retrain_on_performance_drop == "on":
        yield _performance(deployment, judged, now)
    if s.retrain_every_labels:
        yield _labels(deployment, judged)


def _performance(deployment: Deployment, judged: Decision, now: datetime) -> RetrainingTrigger | None:
    margin, n_days = deployment.settings.retrain_performance_margin, deployment.settings.retrain_performance_days
    measured = realized_drop(deployment, judged, now - timedelta(days=n_days))
    if measured is None or not measured.is_beyond(margin):
        return None
    version = judged.challenger_version
    reason = (
        f"Realized roc_auc of v{version} dropped to {measured.realized.auc:.4f} in the last "
        f"{counted(n_days, 'day')}, from {measured.holdout.auc:.4f} on its holdout; the drop of {measured.drop:.4f} "
        f"(95% interval: {measured.low:.4f} to {measured.high:.4f}) exceeds {margin:g}."
    )
    return RetrainingTrigger(PERFORMANCE, f"{PERFORMANCE}:v{version}", reason)


def realized_drop(deployment: Deployment, judged: Decision, start: datetime) -> PerformanceDrop | None:
    """Return the drop from the champion's holdout ROC-AUC to the realized ROC-AUC since `start`.

    The result is None if there is too little data. The rows are read only if the hourly performance report has counted
    enough labels.
    """
    version, holdout = judged.challenger_version, holdout_auc(judged)
    days = deployment.daily_performance.results(start - timedelta(days=1))
    n_labelled = sum(day.n_labelled for day in days if day.model_version == version)
    if holdout is None or n_labelled < deployment.settings.retrain_min_labels:
        return None
    rows = deployment.daily_performance.labelled_since(version, start, N_NEWEST)
    if len(rows.labels) < deployment.settings.retrain_min_labels or not has_both_classes(rows.labels):
        return None
    return measure_drop(holdout, auc_interval(rows.labels, rows.probabilities))


def _labels(deployment: Deployment, judged: Decision) -> RetrainingTrigger | None:
    """Return a new trigger for every N labels, so that a held model does not prevent later retrainings."""
    every, version = deployment.settings.retrain_every_labels, judged.challenger_version
    training = deployment.datasets.of_run("training", judged.run_id)
    if training is None:
        return None
    n_new = deployment.ground_truth.n_received_since(training.created_at)
    if n_new < every:
        return None
    reason = (
        f"{counted(n_new, 'label has', 'labels have')} arrived since v{version} was trained "
        f"(PMMDS_RETRAIN_EVERY_LABELS={every})."
    )
    return RetrainingTrigger(LABELS, f"{LABELS}:v{version}:{n_new // every}", reason)


def _schedule(deployment: Deployment, now: datetime) -> RetrainingTrigger | None:
    """Return the schedule's trigger if the schedule is due.

    The time since the newest promotion decision counts, and the id of this decision is part of the trigger's key.
    """
    every = deployment.settings.retrain_every_days
    newest = deployment.decisions.newest_promotion() if every else None
    if newest is None or now - newest.decided_at < timedelta(days=every):
        return None
    reason = f"The last model was trained on {newest.decided_at:%Y-%m-%d} (PMMDS_RETRAIN_EVERY_DAYS={every:g})."
    return RetrainingTrigger(SCHEDULE, f"{SCHEDULE}:{newest.decision_id}", reason)


def _with_labels_since(
    deployment: Deployment, cause: RetrainingTrigger, past: list[PastRetraining]
) -> RetrainingTrigger:
    last = max((p for p in past if p.cause == cause.key), key=lambda p: p.attempt, default=None)
    if last is None or last.outcome != BLOCKED_NO_LABELS:
        return cause
    return replace(cause, n_labels_since=deployment.ground_truth.n_received_since(last.started_at))
