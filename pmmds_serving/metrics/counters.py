"""Prometheus metrics: names and labels that dashboards rely on. Keep out: when they are counted (the endpoints).

With PROMETHEUS_MULTIPROC_DIR, which BentoML sets, the counts of all workers are added up. What happens in other
processes (drift, retraining, promotion) is in loop_metrics.py, how the service stands in http/service_gauges.py.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

from pmmds_serving.metrics.loop_metrics import gauge
from pmmds_serving.metrics.shared_memory import reserve, shared_folder
from pmmds_serving.private_apis.prometheus_values import add_to_histogram, add_to_summary, share_values_as

if TYPE_CHECKING:
    from prometheus_client import Metric

# Each is a line of /metrics per version and endpoint: nine tell p95 well enough, and keep the page quick to render.
LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)


class _Tally:
    """What was counted and timed under the same labels and is not in the library's values yet."""

    __slots__ = ("buckets", "n", "score", "seconds")

    def __init__(self) -> None:
        self.n, self.seconds, self.score = 0, 0.0, 0.0
        self.buckets = [0] * (len(LATENCY_BUCKETS) + 1)

    def add(self, seconds: float) -> None:
        self.n += 1
        self.seconds += seconds
        self.buckets[bisect_left(LATENCY_BUCKETS, seconds)] += 1


class _Tallies(dict[tuple[str, str, int | str], _Tally]):
    """Labels → tally, added to a counter and to a histogram that has all of the labels but the last.

    Counting with the library takes 5 µs, in plain numbers half of one; `fold` adds up thousands at once.
    """

    def __init__(self, counter: Any, histogram: Any) -> None:
        super().__init__()
        self._counter, self._histogram = counter, histogram

    def __missing__(self, labels: tuple[str, str, int | str]) -> _Tally:
        self[labels] = _Tally()
        return self[labels]

    def fold(self) -> None:
        """Add what is here to the library's values, in the thread that counts."""
        for labels, tally in self.items():
            self._counter.labels(*labels).inc(tally.n)
            add_to_histogram(self._histogram.labels(*labels[:-1]), tally.buckets, tally.seconds)
        self.clear()


class ServingMetrics:
    """What one process of the service counts. Raises HomeNotWritableError when there is no room for it."""

    def __init__(self) -> None:
        # Imported late: the library decides at its import whether values are shared between processes.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary

        if (shared := shared_folder()) is not None:
            reserve(shared, os.getpid())
            share_values_as(os.getpid())
        self.started_at = time.time()
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("pmmds_requests", "Requests answered", ["method", "endpoint", "status"], **own)
        self.request_latency = Histogram(
            "pmmds_request_latency_seconds", "Time to answer", ["method", "endpoint"], buckets=LATENCY_BUCKETS, **own
        )
        self.predictions = Counter(
            "pmmds_predictions", "Predictions answered", ["model_name", "model_version", "prediction"], **own
        )
        self.prediction_latency = Histogram(
            "pmmds_prediction_latency_seconds",
            "Time to check, score and keep one prediction",
            ["model_name", "model_version"],
            buckets=LATENCY_BUCKETS,
            **own,
        )
        self.score = Summary("pmmds_prediction_score", "Probabilities answered", ["model_name", "model_version"], **own)
        self.errors = Counter("pmmds_errors", "Requests not answered as asked", ["endpoint", "error_type"], **own)
        self.validation_failures = Counter(
            "pmmds_validation_failures", "Payloads refused", ["endpoint", "failure_type"], **own
        )
        self.model_reloads = Counter("pmmds_model_reloads", "Swaps to another version", ["model_name"], **own)
        self.spool_backlog = Gauge(
            "pmmds_spool_backlog_bytes", "Answered, not in the database yet", multiprocess_mode="livesum", **own
        )
        self.spool_dropped = Counter("pmmds_spool_dropped", "Rows given up because the spool was full", **own)
        self.shadow_predictions = Counter(
            "pmmds_shadow_predictions", "Logged requests that a challenger scored", ["model_version"], **own
        )
        self.dead_letters = Counter("pmmds_dead_letters", "Rows that the database refused", **own)
        self.repeated_requests = Counter(
            "pmmds_repeated_requests",
            "Requests with the client's id and row of an earlier one, which have one row together",
            ["answer"],  # same as the logged one, or other
            **own,
        )
        for answer in ("same", "other"):
            self.repeated_requests.labels(answer)

        self._answered = _Tallies(self.requests, self.request_latency)
        self._predicted = _Tallies(self.predictions, self.prediction_latency)

    def answered(self, method: str, endpoint: str, status: int | str, seconds: float) -> None:
        """Count and time one answered request. The labels come from closed lists; gRPC names its statuses."""
        self._answered[method, endpoint, status].add(seconds)

    def predicted(
        self, model_name: str, model_version: str, prediction: int, seconds: float, probability: float
    ) -> None:
        """Count and time one prediction, and add up its score."""
        tally = self._predicted[model_name, model_version, prediction]
        tally.add(seconds)
        tally.score += probability

    def fold(self) -> None:
        """Publish what was answered and predicted since; called again and again by the thread that counts."""
        self._answered.fold()
        for (name, version, _), tally in self._predicted.items():
            add_to_summary(self.score.labels(name, version), tally.n, tally.score)
        self._predicted.fold()

    def collect(self) -> list[Metric]:
        """Every family that this service counts, summed over its workers."""
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self.registry
        if shared_folder() is not None:
            registry = CollectorRegistry()
            multiprocess: Any = MultiProcessCollector
            multiprocess(registry)
        uptime = gauge("pmmds_uptime_seconds", "Since this worker started", time.time() - self.started_at)
        return [*registry.collect(), uptime]


def exposition(families: list[Metric]) -> bytes:
    """Prometheus text format."""
    from prometheus_client import generate_latest
    from prometheus_client.registry import Collector

    class Collected(Collector):
        def collect(self) -> list[Metric]:
            return families

    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    registry.register(Collected())
    return generate_latest(registry)


def as_document(families: list[Metric]) -> dict[str, Any]:
    """The same as JSON: name → type, help and samples."""
    return {
        f.name: {
            "type": f.type,
            "help": f.documentation,
            "samples": [{"name": s.name, "labels": s.labels, "value": s.value} for s in f.samples],
        }
        for f in families
    }
