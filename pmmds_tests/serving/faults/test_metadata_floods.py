"""During floods of abnormal gRPC metadata, frames and streams, memory stays bounded and HTTP requests are served."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack, suppress

import grpc
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_serving.process.descriptors import MAX_GRPC_CONNECTIONS
from pmmds_serving.rpc.limits import MAX_STREAMS
from pmmds_tests.harness.flooding import watched_floods
from pmmds_tests.harness.grpc_requests import predict_request, stub_of
from pmmds_tests.harness.http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_STREAM,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    call_fields,
    field,
    frame,
    headers,
    reference,
    streams,
)
from pmmds_tests.harness.service_process import RunningService, wait_until

pytestmark = [pytest.mark.process, pytest.mark.faults, pytest.mark.xdist_group("service")]

MAX_BYTES = 500_000_000
MAX_SECONDS = 5.0
SERVICE = "/pmmds.v1.PredictionService"
GET_MODEL, PREDICT = f"{SERVICE}/GetModel", f"{SERVICE}/Predict"
HOLD_SECONDS = 4.0


def metadata(n_bytes: int) -> bytes:
    """Return header fields of about 1,000 bytes each, with distinct names."""
    return b"".join(field(b"x-%d" % i, b"v" * 960) for i in range(n_bytes // 1000))


def calls(method: str, n_bytes: int, *, trailers: bool = False) -> bytes:
    """Return a call with metadata but no message on every stream of a connection."""
    block = call_fields(method) + metadata(n_bytes)
    opened = b"".join(headers(stream, block) for stream in streams(MAX_STREAMS))
    if trailers:
        block = metadata(n_bytes)
        opened += b"".join(headers(stream, block, end_stream=True) for stream in streams(MAX_STREAMS))
    return opened


def continued() -> bytes:
    """Return a header block that never ends."""
    block = metadata(15_000)
    return headers(1, call_fields(GET_MODEL), end_headers=False) + frame(CONTINUATION, 0, 1, block) * 400


def empty_continued() -> bytes:
    """Return a header block that never ends and consists of empty frames."""
    return headers(1, call_fields(GET_MODEL), end_headers=False) + frame(CONTINUATION, 0, 1) * 500_000


def bomb() -> bytes:
    """Return calls with 4,000 one-byte references to a large field in the dynamic table."""
    large = field(b"x-large", b"v" * 3900, indexed=True)
    first = headers(1, call_fields(GET_MODEL) + large)
    again = call_fields(GET_MODEL) + reference(62) * 4000
    return first + b"".join(headers(stream, again) for stream in list(streams(MAX_STREAMS))[1:])


def static_bomb() -> bytes:
    """Return frames full of one-byte references to a field of the static table."""
    block = call_fields(GET_MODEL) + reference(16) * 16_000
    return b"".join(headers(stream, block) for stream in streams(MAX_STREAMS))


def resets() -> bytes:
    """Return calls that are immediately reset."""
    block = call_fields(GET_MODEL) + metadata(1000)
    one = (headers(stream, block) + frame(RST_STREAM, 0, stream, bytes(4)) for stream in streams(20_000))
    return b"".join(one)


def settings() -> bytes:
    """Return SETTINGS frames, whose acknowledgments the client does not read."""
    return frame(SETTINGS, 0, 0, b"\x00\x03\x00\x00\x00\x10") * 300_000


def pings() -> bytes:
    return frame(PING, 0, 0, bytes(8)) * 300_000


def empty_data() -> bytes:
    """Return empty frames on an open stream."""
    return headers(1, call_fields(PREDICT)) + frame(DATA, 0, 1) * 500_000 + frame(DATA, END_STREAM, 1)


FLOODS = {
    "metadata": lambda: calls(GET_MODEL, 6000),
    "more metadata": lambda: calls(PREDICT, 7000),
    "metadata above the limit": lambda: calls(GET_MODEL, 15_000),
    "trailers": lambda: calls(PREDICT, 7000, trailers=True),
    "held turns": lambda: calls(PREDICT, 0),
    "unknown method": lambda: calls("/x/y", 7000),
    "continuation": continued,
    "empty continuation": empty_continued,
    "dynamic table": bomb,
    "static table": static_bomb,
    "resets": resets,
    "settings": settings,
    "pings": pings,
    "empty data": empty_data,
}


def flood(service: RunningService, sent: bytes, *, acknowledges: bool) -> None:
    """Send the bytes on every connection from a few threads without reading, then close the connections."""
    address = (service.settings.http_host, service.settings.grpc_port)
    with ExitStack() as stack:
        clients: list[socket.socket] = []
        for _ in range(MAX_GRPC_CONNECTIONS + 44):
            with suppress(OSError):
                clients.append(stack.enter_context(socket.create_connection(address, timeout=60)))

        def send(mine: list[socket.socket]) -> None:
            for client in mine:
                with suppress(OSError):  # the service closed the connection, or stopped reading
                    client.settimeout(HOLD_SECONDS)
                    client.sendall(PREFACE)
                    if acknowledges:
                        client.recv(65_536)
                        client.sendall(frame(SETTINGS, ACK, 0))
                    client.sendall(sent)

        senders = [threading.Thread(target=send, args=(clients[i::16],)) for i in range(16)]
        for sender in senders:
            sender.start()
        ends = time.monotonic() + HOLD_SECONDS
        for sender in senders:
            sender.join()
        time.sleep(max(0.0, ends - time.monotonic()))


# Without an acknowledgment, the service's relay limits all kinds of floods equally, so four are enough.
UNACKNOWLEDGED = ("metadata", "continuation", "dynamic table", "settings")


@pytest.mark.parametrize(
    ("kind", "acknowledges"), [*((kind, True) for kind in FLOODS), *((kind, False) for kind in UNACKNOWLEDGED)]
)
def test_abnormal_frames_use_bounded_memory(
    flooded: RunningService, contract: Contract, kind: str, acknowledges: bool
) -> None:
    sent = FLOODS[kind]()
    floods = watched_floods(flooded, contract, lambda: flood(flooded, sent, acknowledges=acknowledges), MAX_SECONDS)
    for spent in floods:
        assert spent.more_bytes < MAX_BYTES
        assert set(spent.statuses) == {200}
    assert floods[-1].longest < MAX_SECONDS
    wait_until(lambda: _predicts(flooded, contract))  # the flood's connections are being closed


def _predicts(service: RunningService, contract: Contract) -> bool:
    try:
        with stub_of(service.settings) as stub:
            return bool(stub.Predict(predict_request(contract.example()), timeout=60).request_id)
    except grpc.RpcError:
        return False
