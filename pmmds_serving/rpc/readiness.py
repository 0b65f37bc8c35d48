"""The service grpc.health.v1, which reports SERVING while GET /ready returns 200.

Not here: the readiness check (http/status_endpoints.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from grpc.aio import ServicerContext
from grpc_health.v1 import health_pb2

from pmmds_serving.api_errors import ApiError
from pmmds_serving.http.status_endpoints import not_ready_reasons
from pmmds_serving.rpc.receiving import Receiving
from pmmds_serving.rpc.statuses import code_of
from pmmds_serving.worker import Worker

WATCH_SECONDS = 1.0
MAX_WATCHERS = 128
# Maximum number of messages that are received at the same time.
MAX_ARRIVING = 8

Status: TypeAlias = health_pb2.HealthCheckResponse
Context: TypeAlias = ServicerContext[Any, Any]


class Readiness:
    """Checks readiness on demand, and once a second for all watchers; watches end with the service.

    Replaces the library's servicer, which must be notified of each change and whose Watch would delay the shutdown.
    """

    def __init__(self, worker: Worker, service: str) -> None:
        self._worker = worker
        self._services = frozenset({"", service})
        self._receiving = Receiving(MAX_ARRIVING, worker.deployment.settings.http_request_seconds)
        self._is_stopping = False
        self._is_ready = False
        self._changed = asyncio.Event()  # replaced whenever readiness changes
        self._n_watchers = 0
        self._polling: asyncio.Task[None] | None = None

    @property
    def handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """The methods of grpc.health.v1.Health by name."""
        return {
            "Check": grpc.stream_unary_rpc_method_handler(self.check, None, Status.SerializeToString),
            "Watch": grpc.stream_stream_rpc_method_handler(self.watch, None, Status.SerializeToString),
        }

    def stop(self) -> None:
        """Report NOT_SERVING from now on and end all watches."""
        self._is_stopping = True
        if self._polling is not None:
            self._polling.cancel()
        self._set_ready(is_ready=False)

    async def check(self, sent: AsyncIterator[bytes], context: Context) -> Status:
        """Health.Check."""
        service = await self._service(sent, context)
        if service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "Unknown service")
        return _status(self._now())

    async def watch(self, sent: AsyncIterator[bytes], context: Context) -> None:
        """Health.Watch."""
        service = await self._service(sent, context)
        if self._n_watchers >= MAX_WATCHERS:
            message = f"The service has {MAX_WATCHERS} watchers. Use Check, or try again later"
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, message)
        self._n_watchers += 1
        try:
            await self._watch(service, context)
        finally:
            self._n_watchers -= 1
            if not self._n_watchers and self._polling is not None:
                self._polling.cancel()
                self._polling = None

    async def _watch(self, service: str, context: Context) -> None:
        self._start_polling()
        sent: Status | None = None
        while True:
            changed, is_last = self._changed, self._is_stopping
            now = _status(self._is_ready) if service in self._services else Status(status=Status.SERVICE_UNKNOWN)
            if now != sent:
                await context.write(now)
                sent = now
            if is_last:
                return
            await changed.wait()

    def _start_polling(self) -> None:
        if self._polling is None and not self._is_stopping:
            self._is_ready = self._now()
            self._polling = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if (now := self._now()) != self._is_ready:
                self._set_ready(is_ready=now)

    def _set_ready(self, *, is_ready: bool) -> None:
        self._is_ready = is_ready
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _service(self, sent: AsyncIterator[bytes], context: Context) -> str:
        """Return the name of the requested service. Aborts the call if its message is invalid or arrives too slowly."""
        try:
            async with self._receiving.message(sent) as data:
                return str(health_pb2.HealthCheckRequest.FromString(data).service)
        except ApiError as error:
            await context.abort(code_of(error), str(error))
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The message is not a HealthCheckRequest")
        raise AssertionError("abort raises")

    def _now(self) -> bool:
        return not self._is_stopping and not not_ready_reasons(self._worker)


def _status(is_ready: bool) -> Status:
    return Status(status=Status.SERVING if is_ready else Status.NOT_SERVING)
