"""Floods of minimal elements up to each size limit, and of connections, calls and streams.

Each one uses bounded memory, delays no concurrent prediction, and leaves no open connections. The bounds are about ten
times the values on an idle machine, and a fraction of the values without limits.
"""

from __future__ import annotations

import socket
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pmmds_core.contracts.contract import Contract
from pmmds_serving.generated.pmmds.v1 import prediction_pb2 as messages
from pmmds_serving.prediction.limits import BATCH_BYTES, FEEDBACK_BYTES, PREDICT_BYTES
from pmmds_serving.process.descriptors import MAX_GRPC_CONNECTIONS
from pmmds_serving.rpc.readiness import MAX_WATCHERS
from pmmds_tests.harness.flooding import watched, watched_floods, worker_of
from pmmds_tests.harness.grpc_requests import code_of, connected, features, predict_request, stub_of
from pmmds_tests.harness.http2_frames import PREFACE
from pmmds_tests.harness.service_process import RunningService, running_service, wait_until
from pmmds_tests.harness.service_requests import BATCH, FEEDBACK, JSON, PREDICT, all_logged

pytestmark = [pytest.mark.process, pytest.mark.faults, pytest.mark.xdist_group("service")]

MAX_SECONDS, MAX_BYTES = 2.0, 250_000_000
N_TIMES = 3
SERVICE = "/pmmds.v1.PredictionService"
# Fewer descriptors than the configured number of connections.
FEW_DESCRIPTORS = 400


def filled(start: bytes, element: bytes, end: bytes, limit: int) -> bytes:
    """Return a JSON body with as many comma-separated elements as fit."""
    n_elements = (limit - len(start) - len(end) + 1) // (len(element) + 1)
    return start + b",".join([element] * n_elements) + end


def keyed(start: bytes, end: bytes, limit: int) -> bytes:
    """Return a JSON body with as many different keys as fit."""
    keys = b",".join(b'"%d":0' % i for i in range(limit // 10))
    return (start + keys)[: limit - len(end)].rpartition(b",")[0] + end


HTTP_FLOODS = [
    *((BATCH, filled(b'{"instances":[', element, b"]}", BATCH_BYTES)) for element in (b"{}", b'""', b"0", b"[]")),
    (BATCH, keyed(b'{"instances":[{', b"}]}", BATCH_BYTES)),
    (BATCH, b'{"instances":' + b"[" * (BATCH_BYTES - 20)),
    (BATCH, filled(b'{"instances":[', b'{"a":{"b":[]}}', b"]}", BATCH_BYTES)),
    *((FEEDBACK, filled(b'{"items":[', element, b"]}", FEEDBACK_BYTES)) for element in (b"{}", b'""', b"0", b"[]")),
    (FEEDBACK, keyed(b'{"items":[{', b"}]}", FEEDBACK_BYTES)),
    (PREDICT, keyed(b'{"features":{', b"}}", PREDICT_BYTES)),
    (PREDICT, filled(b'{"features":[', b"{}", b"]}", PREDICT_BYTES)),
]


def nested(element: bytes, limit: int) -> bytes:
    """Return one element of field 1 with many nested elements."""
    inner = element * ((limit - 8) // len(element))
    return b"\x0a" + _varint(len(inner)) + inner


def _varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found, value = found + bytes([value & 0x7F | 0x80]), value >> 7
    return found + bytes([value])


def named_entries(limit: int) -> bytes:
    """Return map entries with different names."""
    return b"".join(b"\x0a\x07\x0a\x05%05d" % (i % 100_000) for i in range(limit // 9 - 2))


GRPC_FLOODS = [
    ("PredictBatch", b"\x0a\x00" * (BATCH_BYTES // 2)),
    ("PredictBatch", b"\x8a\x00\x00" * (BATCH_BYTES // 3)),
    ("PredictBatch", b"\x8a\x80\x00\x00" * (BATCH_BYTES // 4)),
    ("PredictBatch", nested(b"\x0a\x00", BATCH_BYTES)),
    ("PredictBatch", nested(named_entries(BATCH_BYTES - 20), BATCH_BYTES)),
    ("PredictBatch", b"\x12\x00" * (BATCH_BYTES // 2)),
    ("SendFeedback", b"\x0a\x00" * (FEEDBACK_BYTES // 2)),
    ("SendFeedback", b"\x0a\x02\x1a\x00" * (FEEDBACK_BYTES // 4)),
    ("SendFeedback", nested(b"\x1a\x00", FEEDBACK_BYTES)),
    ("Predict", b"\x0a\x00" * (PREDICT_BYTES // 2)),
    ("Predict", named_entries(PREDICT_BYTES)),
]


@pytest.mark.parametrize(("path", "body"), HTTP_FLOODS, ids=lambda value: str(value[:20]))
def test_too_many_small_elements_over_http_are_rejected_fast(
    flooded: RunningService, contract: Contract, path: str, body: bytes
) -> None:
    waits = []
    for _ in range(N_TIMES):
        with watched(flooded, contract) as spent:
            response = flooded.client.post(path, content=body, headers=JSON)
            assert response.status_code in {400, 413}, response.text[:200]
        assert spent.more_bytes < MAX_BYTES
        assert set(spent.statuses) <= {200}
        waits.append(spent.longest)
    assert statistics.median(waits) < MAX_SECONDS


@pytest.mark.parametrize(("method", "data"), GRPC_FLOODS, ids=lambda value: str(value[:8]))
def test_too_many_small_elements_over_grpc_are_rejected_fast(
    flooded: RunningService, contract: Contract, method: str, data: bytes
) -> None:
    waits = []
    with connected(flooded.settings) as channel:
        call: Any = channel.unary_unary(f"{SERVICE}/{method}")
        for _ in range(N_TIMES):
            with watched(flooded, contract) as spent, pytest.raises(grpc.RpcError) as caught:
                call(data, timeout=60)
            assert code_of(caught.value) in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
            assert spent.more_bytes < MAX_BYTES
            assert set(spent.statuses) <= {200}
            waits.append(spent.longest)
    assert statistics.median(waits) < MAX_SECONDS


def send_incomplete(client: socket.socket) -> None:
    """Send most of a four-megabyte body."""
    head = f"POST {BATCH} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    with suppress(OSError):  # the service closed the connection
        client.sendall(f"{head}Content-Length: {BATCH_BYTES}\r\n\r\n".encode())
        for _ in range(3):
            client.sendall(b" " * 1_000_000)


def hold_incomplete_bodies(service: RunningService) -> None:
    """Send most of a body on 200 connections, and wait until the service closes them."""
    address = (service.settings.http_host, service.settings.http_port)
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address, timeout=60)) for _ in range(200)]
        senders = [threading.Thread(target=send_incomplete, args=(client,)) for client in clients]
        for sender in senders:
            sender.start()
        for client, sender in zip(clients, senders, strict=True):
            sender.join()
            with suppress(ConnectionResetError):
                while client.recv(65_536):
                    pass


def test_incomplete_large_bodies_use_bounded_memory_and_time_out(flooded: RunningService, contract: Contract) -> None:
    floods = watched_floods(flooded, contract, lambda: hold_incomplete_bodies(flooded), MAX_SECONDS)
    for spent in floods:
        assert spent.more_bytes < MAX_BYTES
        assert set(spent.statuses) == {200}
    assert floods[-1].longest < MAX_SECONDS


def test_calls_without_a_message_time_out_and_the_service_recovers(flooded: RunningService, contract: Contract) -> None:
    never = threading.Event()

    def nothing() -> Iterator[bytes]:
        never.wait()
        yield from ()

    ended: Counter[grpc.StatusCode] = Counter()
    with ExitStack() as stack, watched(flooded, contract) as spent:
        stack.callback(never.set)
        calls: list[Any] = []
        for _ in range(4):
            channel = stack.enter_context(connected(flooded.settings))
            method: Any = channel.stream_unary(f"{SERVICE}/PredictBatch")
            calls += [method.future(nothing(), timeout=120) for _ in range(50)]
        for call in calls:
            ended[call.code()] += 1
    assert set(ended) <= {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert set(spent.statuses) == {200}
    with stub_of(flooded.settings) as stub:
        assert stub.Predict(predict_request(contract.example()), timeout=60).request_id
        row = messages.Instance(features=features(contract.example()))
        assert stub.PredictBatch(messages.PredictBatchRequest(instances=[row]), timeout=60).predictions


def test_health_watches_are_limited_and_use_little_cpu(flooded: RunningService, contract: Contract) -> None:
    outcomes: list[Any] = []

    def first(watch: Any) -> None:
        try:
            outcomes.append(next(iter(watch)).status)
        except grpc.RpcError as error:
            outcomes.append(code_of(error))

    serving, n_watches = health_pb2.HealthCheckResponse.SERVING, MAX_WATCHERS + 70
    with ExitStack() as stack:
        channels = [stack.enter_context(connected(flooded.settings)) for _ in range(4)]
        stubs: list[Any] = [health_pb2_grpc.HealthStub(channel) for channel in channels]
        for i in range(n_watches):
            watch = stubs[i % 4].Watch(health_pb2.HealthCheckRequest())
            stack.callback(watch.cancel)
            first(watch)
        assert Counter(outcomes) == {serving: MAX_WATCHERS, grpc.StatusCode.RESOURCE_EXHAUSTED: 70}
        worker = worker_of(flooded)
        before = worker.cpu_times()
        wait_until(_seconds_are_over(5.0))
        after = worker.cpu_times()
        assert after.user + after.system - before.user - before.system < 2.0
    with connected(flooded.settings) as channel:

        def is_watched() -> bool:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            outcomes.clear()
            first(stub.Watch(health_pb2.HealthCheckRequest()))
            return outcomes == [serving]

        wait_until(is_watched)


def _seconds_are_over(seconds: float) -> Callable[[], bool]:
    ends = time.monotonic() + seconds
    return lambda: time.monotonic() > ends


def test_connections_beyond_the_descriptor_limit_are_rejected(
    prepared: Callable[..., dict[str, str]], contract: Contract, tmp_path: Path
) -> None:
    environment = prepared(tmp_path / "home", PMMDS_LOG_LEVEL="warning")
    with running_service(environment, n_descriptors=FEW_DESCRIPTORS) as service, ExitStack() as stack:
        worker = worker_of(service)
        with watched(service, contract) as spent:
            for _ in range(2 * FEW_DESCRIPTORS):
                try:
                    idle = socket.create_connection(
                        (service.settings.http_host, service.settings.grpc_port), timeout=60
                    )
                    stack.enter_context(idle)
                    idle.sendall(PREFACE)
                except OSError:
                    continue  # rejected
            wait_until(_seconds_are_over(2.0))
            assert worker.num_fds() < FEW_DESCRIPTORS
            with httpx.Client(base_url=service.url, timeout=60, trust_env=False) as another:
                assert another.get("/ready").status_code == 200
        assert set(spent.statuses) == {200}
        wait_until(all_logged(service.deployment(), spent.ids))


def test_idle_grpc_connections_are_limited_and_closed(flooded: RunningService, contract: Contract) -> None:
    with ExitStack() as stack, watched(flooded, contract) as spent:
        worker = worker_of(flooded)
        before = worker.num_fds()
        for _ in range(2 * MAX_GRPC_CONNECTIONS):
            idle = socket.create_connection((flooded.settings.http_host, flooded.settings.grpc_port), timeout=60)
            stack.enter_context(idle).sendall(PREFACE)
        wait_until(lambda: worker.num_fds() < before + MAX_GRPC_CONNECTIONS + 50)
        wait_until(lambda: worker.num_fds() < before + 20)  # until the idle timeout has closed them
        with stub_of(flooded.settings) as stub:
            assert stub.Predict(predict_request(contract.example()), timeout=60).request_id
    assert set(spent.statuses) == {200}


def test_websocket_requests_time_out_like_all_others(flooded: RunningService, contract: Contract) -> None:
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 5\r\n"
    head += "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with ExitStack() as stack:
        clients = []
        for _ in range(520):
            client = socket.create_connection((flooded.settings.http_host, flooded.settings.http_port), timeout=60)
            stack.enter_context(client).sendall(head.encode())
            clients.append(client)
        statuses = Counter(int(client.recv(65_536).split(b" ")[1]) for client in clients)
        assert set(statuses) <= {408, 503}
        assert statuses[408] > 400
    wait_until(lambda: flooded.status_of("/ready") == 200)
