"""Error boundary: turns every exception of a handler into an ApiError. Not here: routes, sending responses."""

from __future__ import annotations

from types import TracebackType

from pmmds_core.runtime.json_logs import get_logger, place_of
from pmmds_serving.api_errors import ApiError
from pmmds_serving.metrics.counters import ServingMetrics

log = get_logger("pmmds.serving.http")

_PAYLOAD_PROBLEMS = frozenset({400, 413, 415})


class ErrorBoundary:
    """A `with` block that stores an exception as `error`.

    An unexpected exception becomes a 500. Only its type and location are logged, because its text may contain customer
    data.
    """

    __slots__ = ("error",)

    def __init__(self) -> None:
        self.error: ApiError | None = None

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, raised: BaseException | None, trace: TracebackType | None) -> bool:
        if raised is None:
            return False
        if isinstance(raised, ApiError):
            self.error = raised
        elif isinstance(raised, Exception):
            log.error("request_failed", error_type=type(raised).__name__, place=place_of(trace))
            self.error = ApiError(500, "Internal error; see the service's log", "internal")
        return self.error is not None


def count_error(metrics: ServingMetrics, endpoint: str, error: ApiError) -> None:
    """Count an error response. `endpoint` is the route's template, never the path."""
    metrics.errors.labels(endpoint, error.error_type).inc()
    if error.status in _PAYLOAD_PROBLEMS:
        metrics.validation_failures.labels(endpoint, error.error_type).inc()
