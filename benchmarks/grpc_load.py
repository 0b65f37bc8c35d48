"""A client process of bench_grpc: keeps calls under way on channels for some seconds, and writes how long each took.

python -m benchmarks.grpc_load ADDRESS CHANNELS SECONDS FILE, the message on standard input. Keep out: what is compared.
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
    """One call after the other; those of the warm-up are not kept. Bytes go and come, so that it costs little."""
    predict: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(PREDICT)
    counted_from = time.perf_counter() + WARM_UP_SECONDS
    while (began := time.perf_counter()) < ends:
        await predict(message)
        if began > counted_from:
            latencies.append(time.perf_counter() - began)


async def load(address: str, n_channels: int, seconds: float, message: bytes) -> list[float]:
    """Seconds of every call."""
    latencies: list[float] = []
    options = (("grpc.use_local_subchannel_pool", 1),)  # otherwise the channels would share one connection
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
