"""The automatic rollback policy, a pure function over measurements before and after a promotion.

Add a guardrail here. Not here: measuring (stores/predictions/served_answers.py,
stores/lifecycle/service_counters.py), acting (workflows/rollback.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from pmmds_core.runtime.plurals import counted
from pmmds_core.statistics.verdict import Verdict

if TYPE_CHECKING:
    from pmmds_core.statistics.classification import AucInterval

# The name recorded as the requester of an automatic rollback.
AUTOMATIC_ROLLBACK = "automatic rollback"
ROLL_BACK, KEEP, PERIOD_OVER = "roll_back", "keep", "period_over"


@dataclass(frozen=True)
class RequestTotals:
    """The HTTP prediction requests since the service started.

    `n_errors` is the number of requests with a 5xx response.
    """

    n_requests: int
    n_errors: int


@dataclass(frozen=True)
class ServedAnswers:
    """The served predictions of one version in a period.

    `latency_ms` is the median latency. `roc_auc` is the realized ROC-AUC with its interval, or None until enough labels
    of both classes have arrived.
    """

    n_rows: int
    latency_ms: float | None
    n_labelled: int
    roc_auc: AucInterval | None


@dataclass(frozen=True)
class RollbackBounds:
    """Limits on the measurements after a promotion.

    A promotion is watched for `period`. `min_rows` is the minimum number of requests, rows or labels for a verdict.
    """

    period: timedelta
    min_rows: int
    max_error_rate: float
    max_latency_ratio: float
    max_metric_drop: float


@dataclass(frozen=True)
class RollbackVerdict:
    """The verdict of the policy.

    `reasons` has the violated limits or, with `insufficient_data`, the missing measurements.
    """

    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class WatchedTotals:
    """The service's counters at the first reading for a decision (`baseline`) and at the most recent one (`last`)."""

    decision_id: str
    baseline: RequestTotals
    last: RequestTotals

    @property
    def since(self) -> RequestTotals:
        n_requests = self.last.n_requests - self.baseline.n_requests
        return RequestTotals(n_requests, self.last.n_errors - self.baseline.n_errors)


def advance(watched: WatchedTotals | None, decision_id: str, now: RequestTotals) -> WatchedTotals:
    """Return the totals after another reading.

    A new decision starts at the previous reading, so that no request is missed.

    After a restart of the service, which resets its counters, only requests since the restart count.
    """
    if watched is None:
        return WatchedTotals(decision_id, now, now)
    is_restarted = now.n_requests < watched.last.n_requests
    before = watched.last if watched.decision_id != decision_id else watched.baseline
    return WatchedTotals(decision_id, RequestTotals(0, 0) if is_restarted else before, now)


def judge_after_promotion(
    age: timedelta,
    before: ServedAnswers,
    after: ServedAnswers,
    requests: RequestTotals | None,
    bounds: RollbackBounds,
) -> RollbackVerdict:
    """Evaluate a promotion by the measurements after it.

    Args:
        age: the time since the alias moved.
        before: the predictions of the replaced version in the period before the alias moved.
        after: the predictions of the promoted version since then.
        requests: the service's requests since then, or None if the service is unreachable.
        bounds: the limits on the deviations.
    """
    if age > bounds.period:
        return RollbackVerdict(PERIOD_OVER, ())
    checks = (_errors(requests, bounds), _latency(before, after, bounds), _performance(before, after, bounds))
    if all(violation is None for violation in checks):
        return RollbackVerdict(
            Verdict.INSUFFICIENT_DATA, (f"fewer than {bounds.min_rows:,} requests, rows and labels",)
        )
    violations = tuple(violation for violation in checks if violation)
    return RollbackVerdict(ROLL_BACK if violations else KEEP, violations)


def _errors(requests: RequestTotals | None, bounds: RollbackBounds) -> str | None:
    """Return the violation as text.

    The result is an empty string if the limit is met, and None if there is insufficient data.
    """
    if requests is None or requests.n_requests < bounds.min_rows:
        return None
    rate = requests.n_errors / requests.n_requests
    if rate <= bounds.max_error_rate:
        return ""
    return f"{rate:.1%} of {counted(requests.n_requests, 'request')} failed, over {bounds.max_error_rate:.1%}"


def _latency(before: ServedAnswers, after: ServedAnswers, bounds: RollbackBounds) -> str | None:
    if before.latency_ms is None or after.latency_ms is None or min(before.n_rows, after.n_rows) < bounds.min_rows:
        return None
    if after.latency_ms <= bounds.max_latency_ratio * before.latency_ms:
        return ""
    times = after.latency_ms / before.latency_ms if before.latency_ms else float("inf")
    return (
        f"median latency {after.latency_ms:.2f} ms instead of {before.latency_ms:.2f} ms "
        f"({times:.2f}x, over {bounds.max_latency_ratio:.2f}x)"
    )


def _performance(before: ServedAnswers, after: ServedAnswers, bounds: RollbackBounds) -> str | None:
    """Check for a drop that exceeds the limit and is significant.

    A drop is significant if its 95% interval lies above zero.
    """
    if before.roc_auc is None or after.roc_auc is None or min(before.n_labelled, after.n_labelled) < bounds.min_rows:
        return None
    from pmmds_core.statistics.auc_difference import (
        measure_drop,
    )  # numpy is imported here, because importing it would slow down commands that only read decisions.

    measured = measure_drop(before.roc_auc, after.roc_auc)
    # If two models are equally good and have 200 labels each, one is worse than the other by 0.05 by chance in one of
    # seven cases.
    if measured.drop <= bounds.max_metric_drop or measured.low <= 0:
        return ""
    interval = f"95%: {measured.low:.4f} to {measured.high:.4f}"
    aucs = f"realized roc_auc {after.roc_auc.auc:.4f} instead of {before.roc_auc.auc:.4f}"
    return f"{aucs} (-{measured.drop:.4f}, over {bounds.max_metric_drop:g}; {interval})"
