"""The boundary of a call, over HTTP as over gRPC: whatever a handler raises becomes a refusal, and is counted.

Keep out: how a refusal is sent (application.py, grpc_refusals.py).
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from pmmds_serving.metrics import ServingMetrics
from pmmds_serving.refusals import RefusalError

_PAYLOAD_PROBLEMS = frozenset({400, 413, 415})


class Boundary:
    """Whatever the block raises, the sender gets an answer in the usual shape: `refusal`, None when nothing was raised.

    An unexpected error is logged by its type and place: its text may hold a customer's values.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self.refusal: RefusalError | None = None

    def __enter__(self) -> None:
        return

    def __exit__(self, _: object, error: BaseException | None, trace: TracebackType | None) -> bool:
        if isinstance(error, RefusalError):
            self.refusal = error
        elif isinstance(error, Exception):
            self._log.error("request_failed", error_type=type(error).__name__, place=_place(trace))
            self.refusal = RefusalError(500, "The service failed; its log says where", "internal")
        return self.refusal is not None


def count_refusal(metrics: ServingMetrics, endpoint: str, refusal: RefusalError) -> None:
    """One more error of an endpoint, and one more refused payload if it was that."""
    metrics.errors.labels(endpoint, refusal.error_type).inc()
    if refusal.status in _PAYLOAD_PROBLEMS:
        metrics.validation_failures.labels(endpoint, refusal.error_type).inc()


def _place(trace: TracebackType | None) -> str:
    """File and line where it was raised."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
