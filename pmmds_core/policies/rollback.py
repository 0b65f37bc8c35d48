"""Whether a promotion is to be taken back by itself: a pure function over what was seen before and after it.

Add a bound here. Keep out: measuring (stores/predictions/served_answers.py, stores/lifecycle/service_counters.py) and
acting (workflows/rollback.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from pmmds_core.statistics.verdict import Verdict

if TYPE_CHECKING:
    from pmmds_core.statistics.classification import AucInterval

# Who asks for it when nobody does.
AUTOMATIC_ROLLBACK = "automatic rollback"
ROLL_BACK, KEEP, PERIOD_OVER = "roll_back", "keep", "period_over"


@dataclass(frozen=True)
class RequestTotals:
    """Predictions asked for over HTTP, and those of them that the service failed (5xx), since it started."""

    n_requests: int
    n_errors: int


@dataclass(frozen=True)
class ServedAnswers:
    """What one version answered in a time. `latency_ms`: median. `roc_auc`: on rows whose label has arrived, with its
    interval; None where they are not of both classes.
    """

    n_rows: int
    latency_ms: float | None
    n_labelled: int
    roc_auc: AucInterval | None


@dataclass(frozen=True)
class RollbackBounds:
    """`min_rows`: fewer requests, rows or labels say nothing. `period`: how long after a promotion it is watched."""

    period: timedelta
    min_rows: int
    max_error_rate: float
    max_latency_ratio: float
    max_metric_drop: float


@dataclass(frozen=True)
class RollbackVerdict:
    """`reasons`: the bounds that are broken, in words; with `insufficient_data` what could not be looked at."""

    verdict: str
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class WatchedTotals:
    """The service's counters when a decision was first seen, and when they were last read."""

    decision_id: str
    baseline: RequestTotals
    last: RequestTotals

    @property
    def since(self) -> RequestTotals:
        n_requests = self.last.n_requests - self.baseline.n_requests
        return RequestTotals(n_requests, self.last.n_errors - self.baseline.n_errors)


def advance(watched: WatchedTotals | None, decision_id: str, now: RequestTotals) -> WatchedTotals:
    """Counters read anew. A decision that is new is measured from the reading before it, so that nothing is missed.

    A service that restarted counts from zero again: then only what came after is looked at.
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
    """Judge a promotion by what followed it.

    Args:
        age: since the alias moved.
        before: of the replaced version, in the period before the alias moved.
        after: of the promoted version since.
        requests: of the service since; None when it could not be asked.
        bounds: what is tolerated.
    """
    if age > bounds.period:
        return RollbackVerdict(PERIOD_OVER, ())
    looked = (_errors(requests, bounds), _latency(before, after, bounds), _performance(before, after, bounds))
    if all(reason is None for reason in looked):
        return RollbackVerdict(
            Verdict.INSUFFICIENT_DATA, (f"fewer than {bounds.min_rows:,} requests, rows and labels",)
        )
    broken = tuple(reason for reason in looked if reason)
    return RollbackVerdict(ROLL_BACK if broken else KEEP, broken)


def _errors(requests: RequestTotals | None, bounds: RollbackBounds) -> str | None:
    """A sentence when the bound is broken, empty when it is kept, None when nothing can be said."""
    if requests is None or requests.n_requests < bounds.min_rows:
        return None
    rate = requests.n_errors / requests.n_requests
    if rate <= bounds.max_error_rate:
        return ""
    return f"{rate:.1%} of {requests.n_requests:,} requests failed, over {bounds.max_error_rate:.1%}"


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
    """A fall counts when it is over the bound and beyond chance: its 95 % interval lies above zero."""
    if before.roc_auc is None or after.roc_auc is None or min(before.n_labelled, after.n_labelled) < bounds.min_rows:
        return None
    from pmmds_core.statistics.auc_difference import measure_drop  # numpy: who only reads decisions does without

    found = measure_drop(before.roc_auc, after.roc_auc)
    # Of two equally good models with 200 labels each one is worse by 0.05 in one of seven cases: by chance.
    if found.drop <= bounds.max_metric_drop or found.low <= 0:
        return ""
    seen = f"realized roc_auc {after.roc_auc.auc:.4f} instead of {before.roc_auc.auc:.4f}"
    return f"{seen} (-{found.drop:.4f}, over {bounds.max_metric_drop:g}; 95 %: {found.low:.4f} to {found.high:.4f})"
