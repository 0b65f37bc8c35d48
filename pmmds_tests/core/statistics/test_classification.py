"""Metrics compared with their definitions, and the DeLong test compared with simulation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from pmmds_core.statistics.classification import auc_interval, classification_metrics, paired_auc, score_table


def rows(seed: int, n: int = 400, signal: float = 1.0) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    random = np.random.default_rng(seed)
    labels = (random.random(n) < 0.3).astype(np.int64)
    scores = 1 / (1 + np.exp(-(random.normal(size=n) + signal * labels)))
    return labels, np.round(scores, 2)  # rounding creates ties


def test_the_auc_with_ties_equals_that_of_scikit_learn() -> None:
    labels, scores = rows(1)
    interval = auc_interval(labels, scores)
    assert interval.auc == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)
    assert interval.low < interval.auc < interval.high


def test_a_perfect_ranking_of_few_rows_has_a_wide_confidence_interval() -> None:
    labels = np.repeat([0, 1], 10)
    perfect, reversed_ = (auc_interval(labels, sign * np.arange(20.0)) for sign in (1, -1))
    assert (perfect.auc, perfect.high) == (1.0, 1.0)
    assert perfect.low == pytest.approx(0.8002, abs=1e-4)  # This solves |1 − θ| = z·√V(θ).
    assert (reversed_.auc, reversed_.low, reversed_.high) == pytest.approx((0.0, 0.0, 1 - perfect.low))
    many = auc_interval(np.repeat([0, 1], 500), np.arange(1000.0))
    assert many.low > 0.99


def test_the_interval_has_nominal_coverage_for_an_auc_near_one() -> None:
    """Test 1,000 samples of ten rows per class with a true ROC-AUC of 0.9933; 70% of them have a perfect ranking."""
    random, labels, held = np.random.default_rng(8), np.repeat([0, 1], 10), 0
    for _ in range(1000):
        found = auc_interval(labels, random.normal(size=20) + 3.5 * labels)
        held += found.low <= 0.99334 <= found.high
    assert held / 1000 > 0.93


def test_equal_models_have_difference_zero_and_p_value_one() -> None:
    labels, scores = rows(2)
    paired = paired_auc(labels, scores, scores)
    assert paired.difference == 0
    assert paired.p_value == 1.0


def test_the_p_value_is_one_sided() -> None:
    labels, better = rows(3, n=2000, signal=2.0)
    worse = np.random.default_rng(4).permutation(better)
    assert paired_auc(labels, better, worse).p_value < 1e-6
    assert paired_auc(labels, worse, better).p_value > 1 - 1e-6


def test_delong_has_its_nominal_false_positive_rate() -> None:
    """Test 600 pairs of equally good models, of which 5% ± 3 standard errors should differ significantly."""
    fired = 0
    for seed in range(600):
        random = np.random.default_rng(seed)
        labels = (random.random(300) < 0.3).astype(np.int64)
        first, second = (random.normal(size=300) + labels for _ in range(2))
        fired += paired_auc(labels, first, second).p_value < 0.05
    assert 0.023 < fired / 600 < 0.077


def test_labels_of_a_single_class_raise_a_value_error() -> None:
    with pytest.raises(ValueError, match="both classes"):
        auc_interval(np.zeros(10, dtype=np.int64), np.linspace(0, 1, 10))


def test_metrics_match_their_definitions() -> None:
    labels = np.array([0, 0, 1, 1])
    metrics = classification_metrics(labels, np.array([0.1, 0.6, 0.4, 0.9]))
    assert metrics["roc_auc"] == pytest.approx(0.75)
    assert metrics["accuracy"] == pytest.approx(0.5)
    assert metrics["recall"] == pytest.approx(0.5)
    assert metrics["brier_score"] == pytest.approx(np.mean([0.01, 0.36, 0.36, 0.01]))


def test_the_score_table_counts_every_row_once() -> None:
    labels, scores = rows(5, n=105)
    table = score_table(labels, scores)
    assert sum(r["n_rows"] for r in table) == 105
    assert [r["mean_probability"] for r in table] == sorted(r["mean_probability"] for r in table)
