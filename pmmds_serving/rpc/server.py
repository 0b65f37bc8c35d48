"""The gRPC server of one worker: its port, limits, call metrics and shutdown.

Not here: the public port, which all workers share (relay.py), the methods (methods.py), health
(readiness.py), reflection (reflection.py).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import grpc
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import authority
from pmmds_serving.api_errors import ApiError
from pmmds_serving.generated.pmmds.v1 import prediction_pb2
from pmmds_serving.http.error_boundary import ErrorBoundary, count_error
from pmmds_serving.launch import grpc_port_taken
from pmmds_serving.process.descriptors import share_descriptors
from pmmds_serving.rpc.limits import MAX_AT_ONCE, MAX_RPCS, SERVER_OPTIONS
from pmmds_serving.rpc.methods import METHODS, Call, Context, Method
from pmmds_serving.rpc.readiness import Readiness
from pmmds_serving.rpc.receiving import Receiving
from pmmds_serving.rpc.reflection import reflection_handlers
from pmmds_serving.rpc.relay import GrpcRelay
from pmmds_serving.rpc.statuses import code_of, metadata_of
from pmmds_serving.worker import Worker

SERVICE = prediction_pb2.DESCRIPTOR.services_by_name["PredictionService"].full_name
# How long, in seconds, calls in progress may continue at shutdown.
GRACE_SECONDS = 5.0
# At shutdown, new calls are rejected until none has arrived for QUIET_SECONDS, but no longer than REJECTING_SECONDS.
QUIET_SECONDS, REJECTING_SECONDS = 0.05, 0.5

Answer: TypeAlias = Callable[[AsyncIterator[bytes], Context], Awaitable[bytes]]


class Gate:
    """Accepts calls until the service shuts down, then rejects them.

    When a gRPC server stops, it cancels queued calls, and a client cannot tell whether a retry is safe. Calls are
    therefore first rejected with UNAVAILABLE until the queue is empty.
    """

    def __init__(self) -> None:
        self.is_open = True
        self._rejected = asyncio.Event()

    def reject(self) -> ApiError:
        self._rejected.set()
        return ApiError(503, "The service is shutting down", "ending", ["The call had no effect. Try again"])

    async def close(self) -> None:
        """Reject calls from now on; returns when no more calls arrive."""
        self.is_open = False
        ends = time.monotonic() + REJECTING_SECONDS
        with suppress(TimeoutError):
            while time.monotonic() < ends:
                self._rejected.clear()
                await asyncio.wait_for(self._rejected.wait(), QUIET_SECONDS)


@asynccontextmanager
async def grpc_running(worker: Worker) -> AsyncIterator[None]:
    """Serve gRPC until the block ends; calls in progress are completed.

    Raises:
        PortTakenError: another process took the port after the check at start-up.
    """
    settings = worker.deployment.settings
    relay = GrpcRelay(share_descriptors(settings.http_max_connections).grpc_connections, settings.http_request_seconds)
    server = grpc.aio.server(options=_options(settings), maximum_concurrent_rpcs=MAX_RPCS)
    readiness, gate = Readiness(worker, SERVICE), Gate()
    server.add_registered_method_handlers(SERVICE, _handlers(worker, gate))
    server.add_registered_method_handlers(health.SERVICE_NAME, readiness.handlers)
    names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    server.add_registered_method_handlers(reflection.SERVICE_NAME, reflection_handlers(names))
    server.add_insecure_port(f"unix:{relay.backend}")
    await server.start()
    try:
        try:
            await relay.listen(settings.http_host, settings.grpc_port)
        except OSError:
            raise grpc_port_taken(settings, "another process listens there") from None
        yield
        readiness.stop()
        await gate.close()
    finally:
        readiness.stop()
        relay.stop_listening()
        await server.stop(GRACE_SECONDS)
        relay.close()


def _options(settings: Settings) -> tuple[tuple[str, int], ...]:
    milliseconds = round(1000 * settings.http_request_seconds)
    return (
        *SERVER_OPTIONS,
        ("grpc.server_handshake_timeout_ms", milliseconds),
        ("grpc.http2.settings_timeout", milliseconds),
    )


def address_of(settings: Settings) -> str:
    """`127.0.0.1:50051`, `[::1]:50051`."""
    return authority(settings.http_host, settings.grpc_port)


def _handlers(worker: Worker, gate: Gate) -> dict[str, grpc.RpcMethodHandler[bytes, bytes]]:
    seconds = worker.deployment.settings.http_request_seconds
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}
    for name, method in METHODS.items():
        endpoint, receiving = f"/{SERVICE}/{name}", Receiving(MAX_AT_ONCE[name], seconds)
        answer = _traced(endpoint, worker, _observed(endpoint, method, worker, gate, receiving))
        # Clients make a unary call; the server handles it as a stream, so that it can stop waiting for the message.
        handlers[name] = grpc.stream_unary_rpc_method_handler(answer)
    return handlers


def _observed(endpoint: str, method: Method, worker: Worker, gate: Gate, receiving: Receiving) -> Answer:
    """Count and time a method and turn its exceptions into a gRPC status."""
    metrics = worker.metrics

    async def answer(sent: AsyncIterator[bytes], context: Context) -> bytes:
        started = time.perf_counter()
        reply = b""
        boundary = ErrorBoundary()
        with boundary:
            if not gate.is_open:
                raise gate.reject()
            async with receiving.message(sent) as data:
                started = time.perf_counter()
                reply = (await method(Call(data, context, started), worker)).SerializeToString()
        error = boundary.error
        code = grpc.StatusCode.OK if error is None else code_of(error)
        metrics.answered("GRPC", endpoint, code.name, time.perf_counter() - started)
        if error is not None:
            count_error(metrics, endpoint, error)
            await _abort(context, error)
        return reply

    return answer


def _traced(endpoint: str, worker: Worker, answer: Answer) -> Answer:
    """Wrap a method in a span if PMMDS_OTLP_ENDPOINT is set."""
    tracing = worker.tracing
    if tracing is None:
        return answer

    async def traced(sent: AsyncIterator[bytes], context: Context) -> bytes:
        with tracing.call(endpoint, tuple(context.invocation_metadata() or ())) as span:
            try:
                return await answer(sent, context)
            finally:
                span.ended(_code_name(context))

    return traced


def _code_name(context: Context) -> str:
    """Return the name of the call's status."""
    code: object = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else grpc.StatusCode.OK.name


async def _abort(context: Context, error: ApiError) -> None:
    """End the call with an error status. Values from the request appear only in its details, not in its message."""
    await context.abort(code_of(error), str(error), (metadata_of(error),))
