"""The gRPC server of one worker: port, methods, health, reflection; how every call is counted, answered and ended.

Every worker listens on the same port (SO_REUSEPORT) and the kernel deals connections out. Does not live here: the
public port (front.py), what the methods do (methods.py).
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
from pmmds_serving.generated.pmmds.v1 import prediction_pb2
from pmmds_serving.http.error_boundary import Boundary, count_refusal
from pmmds_serving.launch import grpc_port_taken
from pmmds_serving.prediction.api_errors import RefusalError
from pmmds_serving.prediction.limits import BATCH_BYTES, PREDICT_BYTES
from pmmds_serving.process.descriptors import share_descriptors
from pmmds_serving.rpc.front import Front
from pmmds_serving.rpc.methods import METHODS, Call, Context, Method
from pmmds_serving.rpc.readiness import Readiness
from pmmds_serving.rpc.receiving import Receiving
from pmmds_serving.rpc.reflection import reflection_handlers
from pmmds_serving.rpc.statuses import code_of, metadata_of
from pmmds_serving.worker import Worker

SERVICE = prediction_pb2.DESCRIPTOR.services_by_name["PredictionService"].full_name
# How long calls under way may take when the service ends.
GRACE_SECONDS = 5.0
# At the end new calls are refused until none has come for a while, or for as long as that.
QUIET_SECONDS, REFUSING_SECONDS = 0.05, 0.5

# Messages that a method holds at once; the others wait unread.
MAX_AT_ONCE = {"Predict": 32, "PredictBatch": 8, "SendFeedback": 4, "GetModel": 8}
MAX_RPCS, MAX_STREAMS = 512, 128
IDLE_SECONDS, AGE_SECONDS, AGE_GRACE_SECONDS = 60, 600, 30

METADATA_BYTES = 8192
_OPTIONS = (
    # Somewhat larger than what is taken, so that the limit is told in our words.
    ("grpc.max_receive_message_length", BATCH_BYTES + PREDICT_BYTES),
    ("grpc.max_concurrent_streams", MAX_STREAMS),
    ("grpc.max_connection_idle_ms", 1000 * IDLE_SECONDS),
    ("grpc.max_connection_age_ms", 1000 * AGE_SECONDS),
    ("grpc.max_connection_age_grace_ms", 1000 * AGE_GRACE_SECONDS),
    # Metadata of a call: what is larger is refused while it is read.
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
    # Without a table a sender cannot name a large header by one byte, again and again.
    ("grpc.http2.hpack_table_size.decoder", 0),
    # Otherwise a fast sender grows the window of every stream, and so what is held of streams that nobody reads.
    ("grpc.http2.bdp_probe", 0),
)

Answer: TypeAlias = Callable[[AsyncIterator[bytes], Context], Awaitable[bytes]]


class Gate:
    """Open until the service ends.

    gRPC cancels calls that wait for their handler when its server is stopped, and a cancelled client does not know that
    it may try again. So calls are refused first, with UNAVAILABLE, until the queue has run dry.
    """

    def __init__(self) -> None:
        self.is_open = True
        self._refused = asyncio.Event()

    def refuse(self) -> RefusalError:
        self._refused.set()
        return RefusalError(503, "The service is ending", "ending", ["Nothing was done. Try again"])

    async def close(self) -> None:
        """Refuse from now on; returns when no call has come for a while."""
        self.is_open = False
        ends = time.monotonic() + REFUSING_SECONDS
        with suppress(TimeoutError):
            while time.monotonic() < ends:
                self._refused.clear()
                await asyncio.wait_for(self._refused.wait(), QUIET_SECONDS)


@asynccontextmanager
async def grpc_running(worker: Worker) -> AsyncIterator[None]:
    """Serve gRPC for as long as the block lasts; calls under way are answered before it ends.

    Raises:
        PortTakenError: another process took the port after the launcher had looked.
    """
    settings = worker.deployment.settings
    front = Front(share_descriptors(settings.http_max_connections).grpc_connections, settings.http_request_seconds)
    server = grpc.aio.server(options=_options(settings), maximum_concurrent_rpcs=MAX_RPCS)
    readiness, gate = Readiness(worker, SERVICE), Gate()
    server.add_registered_method_handlers(SERVICE, _handlers(worker, gate))
    server.add_registered_method_handlers(health.SERVICE_NAME, readiness.handlers)
    names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
    server.add_registered_method_handlers(reflection.SERVICE_NAME, reflection_handlers(names))
    server.add_insecure_port(f"unix:{front.backend}")
    await server.start()
    try:
        try:
            await front.listen(settings.http_host, settings.grpc_port)
        except OSError:
            raise grpc_port_taken(settings, "another process listens there") from None
        yield
        readiness.stop()
        await gate.close()
    finally:
        readiness.stop()
        front.stop_listening()
        await server.stop(GRACE_SECONDS)
        front.close()


def _options(settings: Settings) -> tuple[tuple[str, int], ...]:
    milliseconds = round(1000 * settings.http_request_seconds)
    return (
        *_OPTIONS,
        ("grpc.server_handshake_timeout_ms", milliseconds),
        ("grpc.http2.settings_timeout", milliseconds),
    )


def address_of(settings: Settings) -> str:
    """`127.0.0.1:50051`, `[::1]:50051`."""
    host = settings.http_host
    return f"[{host}]:{settings.grpc_port}" if ":" in host else f"{host}:{settings.grpc_port}"


def _handlers(worker: Worker, gate: Gate) -> dict[str, grpc.RpcMethodHandler[bytes, bytes]]:
    seconds = worker.deployment.settings.http_request_seconds
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}
    for name, method in METHODS.items():
        endpoint, receiving = f"/{SERVICE}/{name}", Receiving(MAX_AT_ONCE[name], seconds)
        answer = _traced(endpoint, worker, _observed(endpoint, method, worker, gate, receiving))
        # For a client it is a call with one message; here its arrival can be given up.
        handlers[name] = grpc.stream_unary_rpc_method_handler(answer)
    return handlers


def _observed(endpoint: str, method: Method, worker: Worker, gate: Gate, receiving: Receiving) -> Answer:
    """Count and time a method, and turn what it raises into a status."""
    metrics = worker.metrics

    async def answer(sent: AsyncIterator[bytes], context: Context) -> bytes:
        started = time.perf_counter()
        reply = b""
        boundary = Boundary()
        with boundary:
            if not gate.is_open:
                raise gate.refuse()
            async with receiving.message(sent) as data:
                started = time.perf_counter()
                reply = (await method(Call(data, context, started), worker)).SerializeToString()
        refusal = boundary.refusal
        code = grpc.StatusCode.OK if refusal is None else code_of(refusal)
        metrics.answered("GRPC", endpoint, code.name, time.perf_counter() - started)
        if refusal is not None:
            count_refusal(metrics, endpoint, refusal)
            await _refuse(context, refusal)
        return reply

    return answer


def _traced(endpoint: str, worker: Worker, answer: Answer) -> Answer:
    """The method with a span around it, where PMMDS_OTLP_ENDPOINT is set; otherwise the method itself."""
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
    """What the call ends with, as far as the server knows."""
    code: object = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else grpc.StatusCode.OK.name


async def _refuse(context: Context, refusal: RefusalError) -> None:
    """End the call. The message is a sentence of ours; what was sent is repeated in the details only."""
    await context.abort(code_of(refusal), str(refusal), (metadata_of(refusal),))
