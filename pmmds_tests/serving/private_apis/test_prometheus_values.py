"""prometheus_client has the private members that the counters use."""

from __future__ import annotations

import inspect

from prometheus_client import CollectorRegistry, Histogram, Summary, values

from pmmds_serving.private_apis.prometheus_values import add_to_histogram, add_to_summary


def samples(metric: Histogram | Summary) -> list[tuple[str, dict[str, str], float]]:
    return [(s.name, s.labels, s.value) for f in metric.collect() for s in f.samples if "created" not in s.name]


def test_observations_added_together_equal_single_observations() -> None:
    first, second = (Histogram("seconds", "x", buckets=(1.0, 2.0), registry=CollectorRegistry()) for _ in range(2))
    for value in (0.5, 1.0, 1.5, 4.0):
        first.observe(value)
    add_to_histogram(second, [2, 1, 1], 7.0)
    assert samples(first) == samples(second)


def test_a_summary_takes_a_count_and_a_sum() -> None:
    first, second = (Summary("score", "x", registry=CollectorRegistry()) for _ in range(2))
    for value in (0.25, 0.5):
        first.observe(value)
    add_to_summary(second, 2, 0.75)
    assert samples(first) == samples(second)


def test_the_value_class_and_its_process_id_can_be_set() -> None:
    assert hasattr(values, "ValueClass")
    assert "process_identifier" in inspect.signature(values.MultiProcessValue).parameters
