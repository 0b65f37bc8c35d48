"""Measure unary gRPC Predict calls on one worker, compared with a grpc.aio server that returns a constant.

python -m benchmarks.bench_grpc [--seconds 5] [--rounds 3] [--clients 2]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import psutil

from benchmarks.deployments import is_success, service_process, temporary_settings, train_versions, wait_for
from benchmarks.grpc_load import WARM_UP_SECONDS
from pmmds_cli.processes.ports import any_free
from pmmds_core.config.settings import Settings
from pmmds_core.config.urls import client_url
from pmmds_core.deployment import Deployment
from pmmds_serving.generated.pmmds.v1 import prediction_pb2 as messages

N_CHANNELS = 8


@dataclass(frozen=True)
class Measured:
    """The results of one round. `cpu_microseconds` is the processor time per call, summed over all server processes."""

    calls_per_second: float
    p95_milliseconds: float
    cpu_microseconds: float


def example_message(settings: Settings) -> bytes:
    """Return the contract's example row as a PredictRequest."""
    request = messages.PredictRequest()
    fields = {str: "text_value", int: "int64_value", float: "double_value"}
    for name, value in Deployment(settings).contract.example().items():
        if value is None:
            _ = request.features[name]  # Accessing the key creates an entry without a value.
        else:
            setattr(request.features[name], fields[type(value)], value)
    return request.SerializeToString()


@contextmanager
def peer_process(address: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.grpc_peer", address])
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def listens(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=0.5)
        except grpc.FutureTimeoutError:
            return False
    return True


def measure(address: str, server: subprocess.Popen[bytes], message: bytes, clients: int, seconds: float) -> Measured:
    """Send calls from several processes at the same time."""
    argv = [sys.executable, "-m", "benchmarks.grpc_load", address, str(N_CHANNELS // clients), str(seconds)]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, str(i)) for i in range(clients)]
        before = cpu_seconds(server)
        running = [subprocess.Popen([*argv, str(file)], stdin=subprocess.PIPE) for file in files]
        for process in running:
            assert process.stdin is not None
            process.stdin.write(message)
            process.stdin.close()
        assert all(process.wait() == 0 for process in running)
        spent = cpu_seconds(server) - before
        latencies = sorted(took for file in files for took in json.loads(file.read_text(encoding="utf-8")))
    return Measured(
        calls_per_second=len(latencies) / seconds,
        p95_milliseconds=latencies[int(len(latencies) * 0.95)] * 1000,
        # The list excludes warm-up calls, but the measured processor time includes them.
        cpu_microseconds=spent / (len(latencies) * (seconds + WARM_UP_SECONDS) / seconds) * 1e6,
    )


def cpu_seconds(server: subprocess.Popen[bytes]) -> float:
    root = psutil.Process(server.pid)
    times = [process.cpu_times() for process in (root, *root.children(recursive=True))]
    return sum(t.user + t.system for t in times)


def median(rounds: Sequence[Measured]) -> Measured:
    return Measured(
        statistics.median(m.calls_per_second for m in rounds),
        statistics.median(m.p95_milliseconds for m in rounds),
        statistics.median(m.cpu_microseconds for m in rounds),
    )


def tell(name: str, m: Measured) -> None:
    print(
        f"{name}: {m.calls_per_second:,.0f} calls/s, p95 {m.p95_milliseconds:.2f} ms, "
        f"{m.cpu_microseconds:.0f} µs of server CPU per call"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=2, choices=(1, 2, 4, 8))
    chosen = parser.parse_args()
    ours: list[Measured] = []
    peers: list[Measured] = []
    with temporary_settings() as settings:
        train_versions(settings, 1)
        message = example_message(settings)
        address, peer_address = f"127.0.0.1:{settings.grpc_port}", f"127.0.0.1:{any_free()}"
        with service_process(settings) as service, peer_process(peer_address) as peer:
            wait_for(lambda: is_success(client_url(settings.http_host, settings.http_port, "/ready")))
            wait_for(lambda: listens(peer_address))
            for _ in range(chosen.rounds):
                peers.append(measure(peer_address, peer, message, chosen.clients, chosen.seconds))
                ours.append(measure(address, service, message, chosen.clients, chosen.seconds))
    print(f"one worker, {N_CHANNELS} channels in {chosen.clients} client processes, median of {chosen.rounds} rounds")
    tell("PMMDS", median(ours))
    tell("constant", median(peers))
    print(
        f"ratio (PMMDS / constant): {median(ours).calls_per_second / median(peers).calls_per_second:.2f}  (target 0.5)"
    )


if __name__ == "__main__":
    main()
