"""gRPC server reflection with limits on its streams. Not here: the implementation of reflection (grpc_reflection)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeAlias

import grpc
from grpc.aio import ServicerContext
from grpc_reflection.v1alpha import reflection, reflection_pb2

Context: TypeAlias = ServicerContext[Any, Any]

# Maximum number of concurrent streams, and maximum duration of a stream in seconds.
MAX_REFLECTIONS, STREAM_SECONDS = 4, 30.0


def reflection_handlers(services: Sequence[str]) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
    """The methods of grpc.reflection.v1alpha.ServerReflection by name."""
    servicer = reflection.aio.ReflectionServicer(services)
    slots = asyncio.Semaphore(MAX_REFLECTIONS)

    async def reflect(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        if slots.locked():
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Too many clients use reflection. Try again")
        async with slots:
            try:
                async with asyncio.timeout(STREAM_SECONDS):
                    answers: Any = servicer.ServerReflectionInfo(requests, context)
                    async for answer in answers:
                        yield answer
            except TimeoutError:
                await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "The stream lasted too long")

    read, write = (
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(reflect, read, write)}
