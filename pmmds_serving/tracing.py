"""OpenTelemetry spans of requests. Imported only if PMMDS_OTLP_ENDPOINT is set.

A span contains the outcome of a request but no request data. A thread sends spans in batches; if the collector is
unavailable, spans are lost and requests are not affected. Not here: handling requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import msgspec
import structlog
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pmmds_core.config.settings import Settings
from pmmds_core.runtime.json_logs import FrequentLine
from pmmds_serving.api_errors import ApiError
from pmmds_serving.prediction.predictor import COMPLETED, Prediction, Predictor
from pmmds_serving.prediction.request_bodies import Headers

EXPORT_SECONDS = 5.0
# Maximum number of spans in memory while the collector is unavailable; the oldest are dropped first.
MAX_WAITING_SPANS = 4096
_CARRIERS = (b"traceparent", b"tracestate")
_GRPC_FAILED = frozenset({"INTERNAL", "UNAVAILABLE", "UNKNOWN"})

Answer: TypeAlias = Callable[[Headers, bytes, float, ApiError | None], tuple[int, bytes]]


class Tracing:
    """Creates the spans of one worker."""

    def __init__(self, settings: Settings) -> None:
        propagate.set_global_textmap(TraceContextTextMapPropagator())
        resource = Resource.create({"service.name": "pmmds"})  # OTEL_RESOURCE_ATTRIBUTES adds attributes
        sampler = ParentBased(TraceIdRatioBased(settings.otlp_trace_share))
        self._provider = TracerProvider(sampler=sampler, resource=resource)
        endpoint = settings.otlp_endpoint.rstrip("/") + "/v1/traces"
        exporter = OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=MAX_WAITING_SPANS))
        self._tracer = self._provider.get_tracer("pmmds.serving")

    def close(self) -> None:
        """Send the remaining spans; takes at most EXPORT_SECONDS."""
        self._provider.shutdown()

    @contextmanager
    def request(self, method: str, route: str, headers: Headers) -> Iterator[RequestSpan]:
        """Open a span for a request, as a child of the client's span if the client sent a traceparent."""
        carrier = {name.decode(): value.decode("latin-1") for name, value in headers if name in _CARRIERS}
        parent = propagate.extract(carrier) if carrier else None
        attributes = {"http.request.method": method, "http.route": route}
        with self._tracer.start_as_current_span(
            f"{method} {route}",
            context=parent,
            kind=SpanKind.SERVER,
            attributes=attributes,
            record_exception=False,  # do not record exceptions, because an error's text may contain customer data
            set_status_on_exception=False,
        ) as span:
            yield RequestSpan(span)

    @contextmanager
    def call(self, endpoint: str, metadata: Sequence[tuple[str, Any]]) -> Iterator[RequestSpan]:
        """Open a span for a gRPC call; `endpoint` is /package.Service/Method."""
        headers = [(k.encode(), v.encode("latin-1")) for k, v in metadata if isinstance(v, str) and v.isascii()]
        with self.request("GRPC", endpoint, headers) as span:
            yield span

    def around(self, answer: Answer, route: str) -> Answer:
        """Wrap `PredictEndpoint.answer` in a span."""

        def traced(headers: Headers, body: bytes, started: float, error: ApiError | None = None) -> tuple[int, bytes]:
            with self.request("POST", route, headers) as span:
                status, content = answer(headers, body, started, error)
                span.answered(status)
            return status, content

        return traced

    def watch(self, predictor: Predictor) -> None:
        """Add the model version and the number of rows to the open span, and the trace id to log lines."""
        on_answered = predictor.on_answered
        predictor.line = TracedLine(*COMPLETED)

        def annotate(answers: Sequence[Prediction]) -> None:
            span = trace.get_current_span()
            if answers and span.is_recording():
                version = {"pmmds.model.name": answers[0].model_name, "pmmds.model.version": answers[0].model_version}
                span.set_attributes({**version, "pmmds.rows": len(answers)})
            on_answered(answers)

        predictor.on_answered = annotate


class RequestSpan:
    """The span of a request that is being handled."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def answered(self, status: int) -> None:
        """Set the HTTP status; 5xx marks the span as an error."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)

    def ended(self, code: str) -> None:
        """Set the gRPC status's name."""
        self._span.set_attribute("rpc.response.status_code", code)
        if code in _GRPC_FAILED:
            self._span.set_status(StatusCode.ERROR)


class TracedLine(FrequentLine):
    """Writes log lines that contain the trace id of their request."""

    def __init__(self, name: str, event: str) -> None:
        super().__init__(name, event)
        encode = self.encoded

        def encoded(fields: msgspec.Struct) -> bytes:
            trace_id = _trace_id()
            return b'{"trace_id":"%s",%s' % (trace_id.encode(), encode(fields)[1:]) if trace_id else encode(fields)

        self.encoded = encoded


def add_trace_id(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """structlog processor: adds the trace id of the current request."""
    if trace_id := _trace_id():
        event["trace_id"] = trace_id
    return event


def _trace_id() -> str:
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""
