"""The automatic rollback policy: one test case per rule."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from pmmds_core.policies.rollback import (
    KEEP,
    PERIOD_OVER,
    ROLL_BACK,
    RequestTotals,
    RollbackBounds,
    ServedAnswers,
    WatchedTotals,
    advance,
    judge_after_promotion,
)
from pmmds_core.statistics.classification import AucInterval, auc_interval
from pmmds_core.statistics.verdict import Verdict

BOUNDS = RollbackBounds(timedelta(minutes=60), 100, max_error_rate=0.02, max_latency_ratio=2.0, max_metric_drop=0.05)
SOON = timedelta(minutes=5)
NOTHING = ServedAnswers(0, None, 0, None)


def served(n_rows: int = 1000, latency: float = 1.0) -> ServedAnswers:
    return ServedAnswers(n_rows, latency, 0, None)


def labelled(auc: float | None, n_labelled: int = 500, *, half: float = 0.02) -> ServedAnswers:
    """Return results with labels; `half` is half the width of the AUC interval."""
    return ServedAnswers(0, None, n_labelled, None if auc is None else AucInterval(auc, auc - half, auc + half))


@pytest.mark.parametrize(
    ("before", "after", "requests", "verdict"),
    [
        pytest.param(NOTHING, NOTHING, None, Verdict.INSUFFICIENT_DATA, id="nothing to evaluate"),
        pytest.param(NOTHING, NOTHING, RequestTotals(99, 99), Verdict.INSUFFICIENT_DATA, id="too few requests"),
        pytest.param(NOTHING, NOTHING, RequestTotals(100, 2), KEEP, id="error rate at the limit"),
        pytest.param(NOTHING, NOTHING, RequestTotals(100, 3), ROLL_BACK, id="error rate over the limit"),
        pytest.param(served(), served(latency=2.0), None, KEEP, id="latency at the limit"),
        pytest.param(served(), served(latency=2.1), None, ROLL_BACK, id="latency over the limit"),
        pytest.param(served(), served(99, 9.0), None, Verdict.INSUFFICIENT_DATA, id="slower in too few rows"),
        pytest.param(served(99), served(latency=9.0), None, Verdict.INSUFFICIENT_DATA, id="slower than too few rows"),
        pytest.param(served(latency=0.0), served(), None, ROLL_BACK, id="latency was zero before"),
        pytest.param(labelled(0.84), labelled(0.80), None, KEEP, id="drop within the limit"),
        pytest.param(labelled(0.84), labelled(0.78), None, ROLL_BACK, id="drop over the limit"),
        pytest.param(labelled(0.84, half=0.05), labelled(0.78, half=0.05), None, KEEP, id="drop not significant"),
        pytest.param(labelled(0.84, half=0.05), labelled(0.76, half=0.05), None, ROLL_BACK, id="significant drop"),
        pytest.param(labelled(0.84), labelled(0.90), None, KEEP, id="better on labels"),
        pytest.param(labelled(0.84), labelled(0.50, 99), None, Verdict.INSUFFICIENT_DATA, id="worse on too few labels"),
        pytest.param(labelled(0.84), labelled(None), None, Verdict.INSUFFICIENT_DATA, id="labels of one class"),
        pytest.param(labelled(None), labelled(0.5), None, Verdict.INSUFFICIENT_DATA, id="no AUC before the promotion"),
        pytest.param(served(), served(), RequestTotals(500, 400), ROLL_BACK, id="one violated bound is enough"),
    ],
)
def test_each_rule_of_the_rollback_policy_gives_the_expected_verdict(
    before: ServedAnswers, after: ServedAnswers, requests: RequestTotals | None, verdict: str
) -> None:
    found = judge_after_promotion(SOON, before, after, requests, BOUNDS)
    assert found.verdict == verdict
    assert bool(found.reasons) == (verdict in (ROLL_BACK, Verdict.INSUFFICIENT_DATA))


def test_no_rollback_occurs_after_the_watch_period() -> None:
    found = judge_after_promotion(timedelta(minutes=61), served(), served(latency=50), None, BOUNDS)
    assert found.verdict == PERIOD_OVER


def test_every_violated_bound_is_reported_with_its_figures() -> None:
    before = ServedAnswers(500, 0.4, 500, AucInterval(0.84, 0.81, 0.87))
    after = ServedAnswers(500, 2.0, 500, AucInterval(0.7, 0.66, 0.74))
    found = judge_after_promotion(SOON, before, after, RequestTotals(1000, 50), BOUNDS)
    errors, latency, performance = found.reasons
    assert "5.0% of 1,000 requests" in errors
    assert "(5.00x, over 2.00x)" in latency
    assert "(-0.1400, over 0.05; 95%: 0.0900 to 0.1900)" in performance


def test_equally_good_models_are_rarely_rolled_back_because_of_label_noise() -> None:
    """In 400 pairs with 200 labels each, the point estimates alone exceed the bound in one of seven cases."""
    random, n_over, n_taken = np.random.default_rng(7), 0, 0
    for _ in range(400):
        before, after = (_realized(random) for _ in range(2))
        assert before.roc_auc is not None
        assert after.roc_auc is not None
        n_over += before.roc_auc.auc - after.roc_auc.auc > BOUNDS.max_metric_drop
        n_taken += judge_after_promotion(SOON, before, after, None, BOUNDS).verdict == ROLL_BACK
    assert n_over / 400 > 0.08
    assert n_taken / 400 < 0.05


def _realized(random: np.random.Generator) -> ServedAnswers:
    labels = (random.random(200) < 0.27).astype(np.int64)
    return ServedAnswers(0, None, 200, auc_interval(labels, random.normal(size=200) + 1.41 * labels))


def test_request_counts_for_a_new_decision_start_at_the_previous_reading() -> None:
    first = advance(None, "a", RequestTotals(100, 1))
    assert first.since == RequestTotals(0, 0)
    second = advance(first, "b", RequestTotals(150, 9))
    assert second.since == RequestTotals(50, 8)
    assert advance(second, "b", RequestTotals(300, 10)).since == RequestTotals(200, 9)


def test_request_counts_start_at_zero_after_a_service_restart() -> None:
    seen = WatchedTotals("a", RequestTotals(100, 1), RequestTotals(900, 1))
    assert advance(seen, "a", RequestTotals(30, 2)).since == RequestTotals(30, 2)
