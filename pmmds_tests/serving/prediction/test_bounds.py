"""Element counts and descriptors are limited, and a spool works without free descriptors."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmmds_core.contracts.contract import Contract
from pmmds_serving.api_errors import ApiError
from pmmds_serving.generated.pmmds.v1 import prediction_pb2 as messages
from pmmds_serving.prediction.json_bounds import check_elements, n_items
from pmmds_serving.prediction.request_bodies import decode_json
from pmmds_serving.process.descriptors import GRPC_DESCRIPTORS, MAX_GRPC_CONNECTIONS, RESERVED, share_descriptors
from pmmds_serving.rpc.message_bounds import BrokenMessageError, check_nested, n_elements
from pmmds_serving.spool.spool import Spool, SpoolLimits
from pmmds_tests.harness.prediction_records import make_records
from pmmds_tests.serving.spool.test_spool import drained

MOST = 50


@given(n_instances=st.integers(0, 2 * MOST), names=st.lists(st.text(max_size=20), max_size=5), request_id=st.text())
def test_element_count_equals_the_decoded_message(n_instances: int, names: list[str], request_id: str) -> None:
    row = messages.Instance(features={name: messages.FeatureValue(int64_value=7) for name in names})
    message = messages.PredictBatchRequest(instances=[row] * n_instances, request_id=request_id)
    assert n_elements(message.SerializeToString(), 1, MOST) == min(n_instances, MOST + 1)


@given(data=st.binary(max_size=60))
def test_arbitrary_bytes_are_counted_or_rejected(data: bytes) -> None:
    with suppress(BrokenMessageError):
        assert 0 <= n_elements(data, 1, MOST) <= 30


@pytest.mark.parametrize(
    "data", [b"\x12\x00" * 1000, b"\x0b\x0c", b"\x0a\x05ab", b"\x08", b"\xff" * 11, b"\x0d\x00", b"\x0a"]
)
def test_broken_messages_and_many_other_fields_are_rejected(data: bytes) -> None:
    with pytest.raises(BrokenMessageError):
        n_elements(data, 1, MOST)


@pytest.mark.parametrize("tag", [b"\x0a\x00", b"\x8a\x00\x00", b"\x8a\x80\x80\x00\x00"])
def test_every_encoding_of_a_tag_is_counted(tag: bytes) -> None:
    assert n_elements(tag * 20, 1, MOST) == 20
    assert len(messages.PredictBatchRequest.FromString(tag * 20).instances) == 20
    check_nested(tag * MOST, MOST)
    with pytest.raises(ApiError, match="validation failed") as caught:
        check_nested(tag * (MOST + 1), MOST)
    assert caught.value.status == 413


def test_json_values_are_limited_by_counting_punctuation() -> None:
    check_elements(b'{"a":[1,2,3]}', 4)
    with pytest.raises(ApiError) as caught:
        check_elements(b'{"a":[1,2,3,4]}', 4)
    assert caught.value.status == 413
    assert n_items(b'{"b":1,"a":[{},[],"",0]}', "a") == 4
    for body in (b'{"b":[]}', b'{"a":{}}', b"[]", b"{", b"\xff", b"[" * 2000, b'{"a":null}'):
        assert n_items(body, "a") is None


def test_connections_are_limited_by_the_available_descriptors() -> None:
    enough = share_descriptors(512, 512 + GRPC_DESCRIPTORS * MAX_GRPC_CONNECTIONS + RESERVED)
    assert (enough.http_connections, enough.grpc_connections) == (512, MAX_GRPC_CONNECTIONS)
    for limit in (64, 256, 400, 800):
        few = share_descriptors(512, limit)
        assert few.http_connections + GRPC_DESCRIPTORS * few.grpc_connections <= max(
            1 + GRPC_DESCRIPTORS, limit - RESERVED
        )
        assert min(few.http_connections, few.grpc_connections) >= 1


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Prevent this process from opening files within the block."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = os.open(os.devnull, os.O_RDONLY)
    lowest = held + 1
    os.close(held)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    filler = os.open(os.devnull, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="Too many open files"):
            os.open(os.devnull, os.O_RDONLY)
        yield
    finally:
        os.close(filler)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_spool_works_without_free_descriptors(tmp_path: Path, contract: Contract) -> None:
    spool = Spool(tmp_path / "spool", contract.feature_names, SpoolLimits(segment_bytes=2000))
    records = make_records(contract, 60)
    spool.append(records[:5])
    with no_descriptors():
        for record in records[5:40]:
            spool.append([record])
        spool.sync()
        spool.hand_over()
        spool.seal()
        assert spool.problem == ""
        spool.append(records[40:50])
    spool.append(records[50:])
    spool.sync()
    assert sorted(r.request_id for r in drained(spool)) == sorted(r.request_id for r in records)


def test_duplicate_keys_are_found_in_one_pass() -> None:
    """The duplicates are among 200,000 other keys, where a quadratic search would take minutes."""
    keys = ",".join(f'"{i}":0' for i in range(200_000))
    body = f'{{{keys},"199999":0}}'.encode()
    started = time.process_time()
    with pytest.raises(ApiError):
        decode_json(body)
    assert time.process_time() - started < 10
