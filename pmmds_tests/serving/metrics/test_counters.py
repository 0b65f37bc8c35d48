"""Counts that are collected as plain numbers equal the library's."""

from __future__ import annotations

import numpy as np

from pmmds_serving.metrics.counters import LATENCY_BUCKETS, ServingMetrics


def samples(metrics: ServingMetrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return all samples except creation times."""
    return {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in metrics.registry.collect()
        for s in family.samples
        if not s.name.endswith("_created")
    }


def test_aggregated_counts_equal_single_observations() -> None:
    draw = np.random.default_rng(7)
    ours, theirs = ServingMetrics(), ServingMetrics()
    # Powers of two add up exactly in any order, and bucket bounds are edge cases.
    seconds = [*LATENCY_BUCKETS, 0.0, 100.0, *(2.0 ** int(e) for e in draw.integers(-14, 4, 500))]
    for n, value in enumerate(seconds):
        status, prediction = int(draw.choice([200, 400, 503])), n % 2
        ours.answered("POST", "/api/v1/predict", status, value)
        theirs.requests.labels("POST", "/api/v1/predict", status).inc()
        theirs.request_latency.labels("POST", "/api/v1/predict").observe(value)
        score = 2.0 ** int(draw.integers(-9, 1))
        ours.predicted("m", "1", prediction, value, score)
        theirs.score.labels("m", "1").observe(score)
        theirs.predictions.labels("m", "1", prediction).inc()
        theirs.prediction_latency.labels("m", "1").observe(value)
        if n % 100 == 0:
            ours.fold()
    ours.fold()
    ours.fold()
    counted, expected = samples(ours), samples(theirs)
    assert counted.keys() == expected.keys()
    assert all(abs(counted[key] - expected[key]) <= 1e-9 * max(1.0, expected[key]) for key in expected)
