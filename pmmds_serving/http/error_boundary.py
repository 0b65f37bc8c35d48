"""What every answer has in common: whatever a handler raises becomes an answer. Keep out: routes and transport."""

from __future__ import annotations

from types import TracebackType

from pmmds_core.runtime.json_logs import get_logger, place_of
from pmmds_serving.metrics.counters import ServingMetrics
from pmmds_serving.prediction.api_errors import ApiError

log = get_logger("pmmds.serving.http")

_PAYLOAD_PROBLEMS = frozenset({400, 413, 415})


class ErrorBoundary:
    """Whatever is raised in its block, the sender gets an answer in the usual shape.

    An unexpected error is logged by its type and place: its text may hold a customer's values.
    """

    __slots__ = ("refusal",)

    def __init__(self) -> None:
        self.refusal: ApiError | None = None

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is None:
            return False
        if isinstance(error, ApiError):
            self.refusal = error
        elif isinstance(error, Exception):
            log.error("request_failed", error_type=type(error).__name__, place=place_of(trace))
            self.refusal = ApiError(500, "The service failed; its log says where", "internal")
        return self.refusal is not None


def count_error(metrics: ServingMetrics, endpoint: str, refusal: ApiError) -> None:
    """The label is the endpoint's template, never the path."""
    metrics.errors.labels(endpoint, refusal.error_type).inc()
    if refusal.status in _PAYLOAD_PROBLEMS:
        metrics.validation_failures.labels(endpoint, refusal.error_type).inc()
