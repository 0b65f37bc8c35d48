"""grpc.health.v1: SERVING while GET /ready would answer 200. Keep out: what makes a worker ready (status.py)."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias

import grpc
from grpc.aio import ServicerContext
from grpc_health.v1 import health_pb2

from pmmds_serving.status import not_ready_reasons
from pmmds_serving.worker import Worker

WATCH_SECONDS = 0.25

Status: TypeAlias = health_pb2.HealthCheckResponse
Context: TypeAlias = ServicerContext[Any, Any]


class Readiness:
    """Looks when it is asked; a Watch looks again every quarter of a second, and ends with the service.

    The library's own servicer is told of changes by others, and its Watch would hold up the end of the service.
    """

    def __init__(self, worker: Worker, service: str) -> None:
        self._worker = worker
        self._services = frozenset({"", service})
        self._stopping = asyncio.Event()

    @property
    def handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """The methods of grpc.health.v1.Health by their names."""
        read, write = health_pb2.HealthCheckRequest.FromString, Status.SerializeToString
        return {
            "Check": grpc.unary_unary_rpc_method_handler(self.check, read, write),
            "Watch": grpc.unary_stream_rpc_method_handler(self.watch, read, write),
        }

    def stop(self) -> None:
        """NOT_SERVING from now on."""
        self._stopping.set()

    async def check(self, request: health_pb2.HealthCheckRequest, context: Context) -> Status:
        """Health.Check."""
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "There is no such service here")
        return self._now(request.service)

    async def watch(self, request: health_pb2.HealthCheckRequest, context: Context) -> None:
        """Health.Watch."""
        told: Status | None = None
        while True:
            is_last = self._stopping.is_set()
            now = self._now(request.service)
            if now != told:
                await context.write(now)
                told = now
            if is_last:
                return
            await self._pause()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), WATCH_SECONDS)
        except TimeoutError:
            return

    def _now(self, service: str) -> Status:
        if service not in self._services:
            return Status(status=Status.SERVICE_UNKNOWN)
        is_ready = not self._stopping.is_set() and not not_ready_reasons(self._worker)
        return Status(status=Status.SERVING if is_ready else Status.NOT_SERVING)
