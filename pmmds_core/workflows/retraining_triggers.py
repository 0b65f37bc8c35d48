"""What asks for a retraining at this moment, each with its reason in words: fetched for the policy.

Add a trigger here and its place among them in retraining_policy. Keep out: whether one starts
(policies/retraining.py).
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
    Cause,
    PastRetraining,
)
from pmmds_core.statistics.auc_difference import PerformanceDrop, measure_drop
from pmmds_core.statistics.classification import AucInterval, auc_interval
from pmmds_core.stores.lifecycle.retrainings import alert_cause

# A ROC-AUC of so many rows is as good as of all; the newest count.
N_NEWEST = 20_000


def find_causes(deployment: Deployment, now: datetime) -> tuple[list[Cause], list[PastRetraining]]:
    """What asks, in the order in which it is heard, and the retrainings that the policy has to know of.

    Raises:
        StoreError: the database does not answer; then nothing is known, which is not "nothing asks".
    """
    causes = [
        cause
        for cause in (alert_of(deployment), *_of_the_champion(deployment, now), _schedule(deployment, now))
        if cause is not None
    ]
    past = deployment.retrainings.past([cause.key for cause in causes], now)
    return [_with_labels_since(deployment, cause, past) for cause in causes], past


def alert_of(deployment: Deployment, *, always: bool = False) -> Cause | None:
    """The oldest open alert. `always`: also when PMMDS_RETRAIN_ON_ALERT is off, as for a person's own request."""
    if deployment.settings.retrain_on_alert == "off" and not always:
        return None
    alert = min(deployment.alerts.open_alerts(), key=lambda a: a.alert_id, default=None)
    return None if alert is None else Cause(ALERT, alert_cause(alert.alert_id), alert.message, alert.alert_id)


def find_for_person(deployment: Deployment, now: datetime) -> tuple[Cause | None, list[PastRetraining]]:
    """What a person's own request is counted under: the oldest open alert, else whatever else asks first."""
    causes, _ = find_causes(deployment, now)
    cause = alert_of(deployment, always=True) or next(iter(causes), None)
    return cause, deployment.retrainings.past([cause.key] if cause else [], now)


def _of_the_champion(deployment: Deployment, now: datetime) -> Iterator[Cause | None]:
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


def _performance(deployment: Deployment, judged: Decision, now: datetime) -> Cause | None:
    margin, n_days = deployment.settings.retrain_performance_margin, deployment.settings.retrain_performance_days
    found = realized_drop(deployment, judged, now - timedelta(days=n_days))
    if found is None or not found.is_beyond(margin):
        return None
    version = judged.challenger_version
    reason = (
        f"v{version} ranks worse than on its holdout: roc_auc {found.realized.auc:.4f} over the last {n_days} days "
        f"instead of {found.holdout.auc:.4f}; the drop of {found.drop:.4f} is over {margin:g} "
        f"(95 %: {found.low:.4f} to {found.high:.4f})."
    )
    return Cause(PERFORMANCE, f"{PERFORMANCE}:v{version}", reason)


def realized_drop(deployment: Deployment, judged: Decision, start: datetime) -> PerformanceDrop | None:
    """How much worse the champion ranks since `start` than when it was judged; None where that cannot be told.

    The rows are read only when the hourly performance report has found enough labels.
    """
    version, evaluation = judged.challenger_version, judged.document.get("evaluation")
    days = deployment.daily_performance.results(start - timedelta(days=1))
    n_labelled = sum(day.n_labelled for day in days if day.model_version == version)
    if not evaluation or n_labelled < deployment.settings.retrain_min_labels:
        return None
    rows = deployment.daily_performance.labelled_since(version, start, N_NEWEST)
    if len(rows.labels) < deployment.settings.retrain_min_labels or len(set(rows.labels.tolist())) < 2:
        return None
    low, high = evaluation["challenger_interval"]
    holdout = AucInterval(evaluation["challenger_metrics"][evaluation["primary_metric"]], low, high)
    return measure_drop(holdout, auc_interval(rows.labels, rows.probabilities))


def _labels(deployment: Deployment, judged: Decision) -> Cause | None:
    """A cause of its own for every further N labels, so that a model that was held is followed by another."""
    every, version = deployment.settings.retrain_every_labels, judged.challenger_version
    training = deployment.datasets.of_run("training", judged.run_id)
    if training is None:
        return None
    n_new = deployment.ground_truth.n_received_since(training.created_at)
    if n_new < every:
        return None
    reason = f"{n_new:,} labels have arrived since v{version} was trained; every {every:,} ask for a retraining."
    return Cause(LABELS, f"{LABELS}:v{version}:{n_new // every}", reason)


def _schedule(deployment: Deployment, now: datetime) -> Cause | None:
    """Due by the newest model that was trained and judged, whoever asked for it; its id is the key."""
    every = deployment.settings.retrain_every_days
    newest = deployment.decisions.newest_promotion() if every else None
    if newest is None or now - newest.decided_at < timedelta(days=every):
        return None
    reason = f"The last model was trained on {newest.decided_at:%Y-%m-%d}; every {every:g} days ask for a retraining."
    return Cause(SCHEDULE, f"{SCHEDULE}:{newest.decision_id}", reason)


def _with_labels_since(deployment: Deployment, cause: Cause, past: list[PastRetraining]) -> Cause:
    last = max((p for p in past if p.cause == cause.key), key=lambda p: p.attempt, default=None)
    if last is None or last.outcome != BLOCKED_NO_LABELS:
        return cause
    return replace(cause, n_labels_since=deployment.ground_truth.n_received_since(last.started_at))
