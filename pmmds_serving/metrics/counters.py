"""Counters of the service; dashboards rely on their names and labels.

With PROMETHEUS_MULTIPROC_DIR, which BentoML sets, the counts of all workers are summed. Not here: counting
(the endpoints), drift, retraining and promotion (loop_metrics.py), the service's state (http/service_gauges.py).
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

# Every bucket adds a line to /metrics for each version and endpoint; nine buckets are enough to estimate p95.
LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)


class _Pending:
    """Counts and times of one set of labels that have not been added to the library's values yet."""

    __slots__ = ("buckets", "n", "score", "seconds")

    def __init__(self) -> None:
        self.n, self.seconds, self.score = 0, 0.0, 0.0
        self.buckets = [0] * (len(LATENCY_BUCKETS) + 1)

    def add(self, seconds: float) -> None:
        self.n += 1
        self.seconds += seconds
        self.buckets[bisect_left(LATENCY_BUCKETS, seconds)] += 1


class _PendingByLabels(dict[tuple[str, str, int | str], _Pending]):
    """Pending values by labels, for a counter and for a histogram without the counter's last label.

    Counting takes 5 µs with the library but 0.5 µs with plain numbers, of which `fold` adds thousands at once.
    """

    def __init__(self, counter: Any, histogram: Any) -> None:
        super().__init__()
        self._counter, self._histogram = counter, histogram

    def __missing__(self, labels: tuple[str, str, int | str]) -> _Pending:
        self[labels] = _Pending()
        return self[labels]

    def fold(self) -> None:
        """Add the pending values to the library's values and reset them; call this in the thread that counts."""
        for labels, pending in self.items():
            self._counter.labels(*labels).inc(pending.n)
            add_to_histogram(self._histogram.labels(*labels[:-1]), pending.buckets, pending.seconds)
        self.clear()


class ServingMetrics:
    """Counters of one process of the service. Raises HomeNotWritableError if the disk is full."""

    def __init__(self) -> None:
        # Imported late: the library decides at import whether values are shared between processes.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary

        if (shared := shared_folder()) is not None:
            reserve(shared, os.getpid())
            share_values_as(os.getpid())
        self.started_at = time.time()
        self.registry = CollectorRegistry()
        options: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("pmmds_requests", "Responses sent", ["method", "endpoint", "status"], **options)
        self.request_latency = Histogram(
            "pmmds_request_latency_seconds",
            "Time from request to response",
            ["method", "endpoint"],
            buckets=LATENCY_BUCKETS,
            **options,
        )
        self.predictions = Counter(
            "pmmds_predictions", "Predictions made", ["model_name", "model_version", "prediction"], **options
        )
        self.prediction_latency = Histogram(
            "pmmds_prediction_latency_seconds",
            "Time to validate and score one prediction",
            ["model_name", "model_version"],
            buckets=LATENCY_BUCKETS,
            **options,
        )
        self.score = Summary(
            "pmmds_prediction_score", "Predicted probabilities", ["model_name", "model_version"], **options
        )
        self.errors = Counter("pmmds_errors", "Error responses", ["endpoint", "error_type"], **options)
        self.validation_failures = Counter(
            "pmmds_validation_failures", "Rejected payloads", ["endpoint", "failure_type"], **options
        )
        self.model_reloads = Counter("pmmds_model_reloads", "Swaps to another model version", ["model_name"], **options)
        self.spool_backlog = Gauge(
            "pmmds_spool_backlog_bytes",
            "Predictions in the spool that are not in the database yet",
            multiprocess_mode="livesum",
            **options,
        )
        self.spool_dropped = Counter("pmmds_spool_dropped", "Rows dropped because the spool was full", **options)
        self.shadow_predictions = Counter(
            "pmmds_shadow_predictions", "Logged requests scored by a challenger", ["model_version"], **options
        )
        self.dead_letters = Counter("pmmds_dead_letters", "Rows rejected by the database", **options)
        self.repeated_requests = Counter(
            "pmmds_repeated_requests",
            "Requests with the same client request id and row as an earlier one; they share one log row",
            ["answer"],  # `same` as the logged prediction, or `other`
            **options,
        )
        for answer in ("same", "other"):
            self.repeated_requests.labels(answer)

        self._answered = _PendingByLabels(self.requests, self.request_latency)
        self._predicted = _PendingByLabels(self.predictions, self.prediction_latency)

    def answered(self, method: str, endpoint: str, status: int | str, seconds: float) -> None:
        """Count and time one response. Labels come from closed lists; `status` is a number or a gRPC status name."""
        self._answered[method, endpoint, status].add(seconds)

    def predicted(
        self, model_name: str, model_version: str, prediction: int, seconds: float, probability: float
    ) -> None:
        """Count and time one prediction and add its score."""
        pending = self._predicted[model_name, model_version, prediction]
        pending.add(seconds)
        pending.score += probability

    def fold(self) -> None:
        """Publish all pending values; called periodically by the thread that counts."""
        self._answered.fold()
        for (name, version, _), pending in self._predicted.items():
            add_to_summary(self.score.labels(name, version), pending.n, pending.score)
        self._predicted.fold()

    def collect(self) -> list[Metric]:
        """All metric families of this service, summed over its workers."""
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self.registry
        if shared_folder() is not None:
            registry = CollectorRegistry()
            multiprocess: Any = MultiProcessCollector
            multiprocess(registry)
        uptime = gauge("pmmds_uptime_seconds", "Seconds since this worker started", time.time() - self.started_at)
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
    """JSON document: name → type, help and samples."""
    return {
        f.name: {
            "type": f.type,
            "help": f.documentation,
            "samples": [{"name": s.name, "labels": s.labels, "value": s.value} for s in f.samples],
        }
        for f in families
    }
