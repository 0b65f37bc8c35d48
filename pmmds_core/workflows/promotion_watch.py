"""Watches the latest promotion: fetches measurements from before and after it, and applies the rollback policy.

Not here: the guardrails (policies/rollback.py), the rollback (rollback.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pmmds_core.deployment import Deployment
from pmmds_core.policies.decision import PROMOTION, RECORDED, Decision
from pmmds_core.policies.rollback import (
    RollbackBounds,
    RollbackVerdict,
    WatchedTotals,
    advance,
    judge_after_promotion,
)
from pmmds_core.stores.lifecycle.service_counters import service_totals
from pmmds_core.stores.predictions.served_answers import served_answers


@dataclass(frozen=True)
class Watch:
    """The result of a check.

    `decision` is the promotion of the production version, or None if there is nothing to roll back.
    """

    decision: Decision | None
    verdict: RollbackVerdict | None
    totals: WatchedTotals | None


def watch(deployment: Deployment, seen: WatchedTotals | None, now: datetime) -> Watch:
    """Apply the rollback policy to the promotion of the production version.

    `seen` has the `totals` that the previous call returned.
    """
    pointer = deployment.decisions.pointer()
    decision = None if pointer is None else deployment.decisions.get(pointer.decision_id)
    if decision is None:
        return Watch(None, None, seen)
    counted = service_totals(deployment.settings)
    totals = seen if counted is None else advance(seen, decision.decision_id, counted)
    moved_at, champion = decision.moved_at, decision.champion_version
    if decision.kind != PROMOTION or decision.state != RECORDED or moved_at is None or not champion:
        return Watch(None, None, totals)
    bounds = bounds_of(deployment)
    before = served_answers(deployment.database, deployment.contract, champion, moved_at - bounds.period, moved_at)
    after = served_answers(deployment.database, deployment.contract, decision.challenger_version, moved_at, now)
    is_current = counted is not None and totals is not None and totals.decision_id == decision.decision_id
    requests = totals.since if totals is not None and is_current else None
    return Watch(decision, judge_after_promotion(now - moved_at, before, after, requests, bounds), totals)


def bounds_of(deployment: Deployment) -> RollbackBounds:
    s = deployment.settings
    return RollbackBounds(
        timedelta(minutes=s.rollback_period_minutes),
        s.rollback_min_rows,
        s.rollback_max_error_rate,
        s.rollback_max_latency_ratio,
        s.rollback_max_metric_drop,
    )
