"""The client process of bench_grpc. It keeps calls in progress on channels for some seconds and writes their durations.

Run it as python -m benchmarks.grpc_load ADDRESS CHANNELS SECONDS FILE, with the message on standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import grpc
import uvloop

PREDICT = "/pmmds.v1.PredictionService/Predict"
CALLS_PER_CHANNEL = 4
WARM_UP_SECONDS = 1.0


async def call_repeatedly(channel: grpc.aio.Channel, message: bytes, ends: float, latencies: list[float]) -> None:
    """Send one call after another, without recording the warm-up calls. Messages are sent as raw bytes to save time."""
    predict: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(PREDICT)
    counted_from = time.perf_counter() + WARM_UP_SECONDS
    while (began := time.perf_counter()) < ends:
        await predict(message)
        if began > counted_from:
            latencies.append(time.perf_counter() - began)


async def load(address: str, n_channels: int, seconds: float, message: bytes) -> list[float]:
    """Return the duration of every call in seconds."""
    latencies: list[float] = []
    options = (("grpc.use_local_subchannel_pool", 1),)  # Without this option, the channels share one connection.
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(n_channels)]
    ends = time.perf_counter() + WARM_UP_SECONDS + seconds
    callers = (
        call_repeatedly(channel, message, ends, latencies) for channel in channels for _ in range(CALLS_PER_CHANNEL)
    )
    await asyncio.gather(*callers)
    for channel in channels:
        await channel.close()
    return latencies


def main() -> None:
    address, n_channels, seconds, file = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4])
    message = sys.stdin.buffer.read()
    file.write_text(json.dumps(uvloop.run(load(address, n_channels, seconds, message))), encoding="utf-8")


if __name__ == "__main__":
    main()
