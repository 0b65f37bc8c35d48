"""The spool returns only complete records after truncation, a flipped bit, a full disk or a killed worker."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_serving.spool.segment import SUFFIX, Segment, claim_all, segments_with_records
from pmmds_serving.spool.spool import Spool, SpoolLimits, SpoolWriteError
from pmmds_tests.harness.prediction_records import make_records

EVERYTHING = 10**6


def spool_path(folder: Path) -> Path:
    (path,) = folder.glob(f"*{SUFFIX}")
    return path


def drained(spool: Spool) -> list[PredictionRecord]:
    """Release, read and delete all records, as a shipper does."""
    spool.seal()
    return taken_from(spool.folder)


def taken_from(folder: Path) -> list[PredictionRecord]:
    """Read and delete all records that no process holds."""
    found: list[PredictionRecord] = []
    for segment in claim_all(folder):
        header = segment.header()
        assert header is not None
        found += segment.read(header[1], EVERYTHING).records
        segment.delete()
    return found


def adopted(path: Path) -> tuple[list[PredictionRecord], Segment]:
    """Return all complete records of a file that no process holds."""
    file = Segment.claim(path)
    assert file is not None
    found = file.header()
    return ([] if found is None else file.read(found[1], EVERYTHING).records), file


def abandoned_bytes(spool: Spool, records: list[PredictionRecord]) -> bytes:
    """Write a dead worker's file with these records; return its path."""
    spool.append(records)
    spool.close()
    return spool_path(spool.folder).read_bytes()


def test_records_are_read_unchanged_and_in_order(spool: Spool, contract: Contract) -> None:
    records = make_records(contract, 25)
    spool.append(records[:1])
    spool.append(records[1:])
    assert drained(spool) == records


def test_a_segment_cannot_be_claimed_before_it_is_released(spool: Spool, contract: Contract) -> None:
    records = make_records(contract, 10)
    spool.append(records[:6])
    assert taken_from(spool.folder) == []
    spool.seal()
    spool.append(records[6:])
    assert taken_from(spool.folder) == records[:6]
    assert drained(spool) == records[6:]


def test_shipped_records_are_not_in_the_backlog(spool: Spool, contract: Contract) -> None:
    spool.append(make_records(contract, 10))
    before = spool.backlog_bytes
    drained(spool)
    spool.hand_over()
    assert (before > 0, spool.backlog_bytes, spool.n_segments) == (True, 0, 1)


def test_the_newest_segment_is_released_only_if_no_other_is_waiting(spool: Spool, contract: Contract) -> None:
    records = make_records(contract, 9)
    for part in (records[:3], records[3:6], records[6:]):
        spool.append(part)
        spool.hand_over()
    assert (spool.n_segments, len(segments_with_records(spool.folder))) == (2, 2)
    assert taken_from(spool.folder) == records[:3]
    spool.hand_over()
    assert taken_from(spool.folder) == records[3:]


def test_an_empty_spool_releases_nothing(spool: Spool) -> None:
    spool.hand_over()
    spool.seal()
    assert (spool.n_segments, list(claim_all(spool.folder))) == (1, [])


def test_a_missing_value_is_read_as_none(spool: Spool, contract: Contract) -> None:
    (record,) = make_records(contract, 1, overrides={"total_charges": None, "contract": None})
    spool.append([record])
    assert drained(spool) == [record]


def test_a_shipped_spool_leaves_no_file(spool: Spool, contract: Contract) -> None:
    spool.append(make_records(contract, 3))
    drained(spool)
    spool.close()
    assert list(spool.folder.iterdir()) == []


def in_segments(folder: Path, contract: Contract) -> Spool:
    """A spool with segments of about three records."""
    return Spool(folder, contract.feature_names, SpoolLimits(segment_bytes=1500))


def test_segments_of_a_long_outage_are_shipped_and_deleted_in_turn(tmp_path: Path, contract: Contract) -> None:
    spool = in_segments(tmp_path, contract)
    records = make_records(contract, 30)
    for record in records:
        spool.append([record])
    assert len(list(tmp_path.iterdir())) == spool.n_segments >= 8
    assert max(path.stat().st_size for path in tmp_path.iterdir()) <= 1500
    assert drained(spool) == records
    assert len(list(tmp_path.iterdir())) == 1
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_batch_larger_than_a_segment_stays_in_one_segment(tmp_path: Path, contract: Contract) -> None:
    spool = in_segments(tmp_path, contract)
    records = make_records(contract, 20)
    spool.append(records)
    assert len(list(tmp_path.iterdir())) == 1
    spool.append(records[:1])
    assert len(list(tmp_path.iterdir())) == 2
    assert drained(spool) == [*records, records[0]]


def test_segments_of_a_dead_worker_are_claimed_in_order(tmp_path: Path, contract: Contract) -> None:
    dead = in_segments(tmp_path, contract)
    records = make_records(contract, 40)
    for record in records:
        dead.append([record])
    dead.close()
    assert taken_from(tmp_path) == records


def test_a_closed_spool_rejects_records(spool: Spool, contract: Contract) -> None:
    spool.close()
    with pytest.raises(SpoolWriteError):
        spool.append(make_records(contract, 1))


def test_a_file_truncated_at_any_byte_keeps_its_complete_records(
    tmp_path: Path, spool: Spool, contract: Contract
) -> None:
    records = make_records(contract, 4)
    whole = abandoned_bytes(spool, records)
    before_last = len(abandoned_bytes(Spool(tmp_path / "shorter", contract.feature_names), records[:3]))
    path = tmp_path / f"cut{SUFFIX}"
    for size in range(before_last, len(whole)):
        path.write_bytes(whole[:size])
        found, file = adopted(path)
        file.close()
        assert found == records[:3], f"cut at byte {size}"


def test_a_file_with_a_truncated_header_has_no_records(tmp_path: Path, contract: Contract) -> None:
    empty = Spool(tmp_path / "empty", contract.feature_names)
    whole = spool_path(empty.folder).read_bytes()
    empty.close()
    path = tmp_path / f"cut{SUFFIX}"
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        found, file = adopted(path)
        file.close()
        assert found == []


def test_a_flipped_bit_in_any_byte_is_detected(tmp_path: Path, spool: Spool, contract: Contract) -> None:
    records = make_records(contract, 2)
    whole = abandoned_bytes(spool, records)
    start = len(abandoned_bytes(Spool(tmp_path / "shorter", contract.feature_names), records[:1]))
    path = tmp_path / f"flipped{SUFFIX}"
    for position in range(start, len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        found, file = adopted(path)
        file.close()
        assert found == records[:1], f"a bit of byte {position}"


def test_zeros_after_a_power_failure_are_not_read_as_records(tmp_path: Path, spool: Spool, contract: Contract) -> None:
    records = make_records(contract, 3)
    path = tmp_path / f"zeros{SUFFIX}"
    path.write_bytes(abandoned_bytes(spool, records) + bytes(4096))
    found, file = adopted(path)
    file.close()
    assert found == records


def test_an_undecodable_frame_is_returned_and_reading_continues(spool: Spool, contract: Contract) -> None:
    first, bad, last = make_records(contract, 3)
    bad = msgspec.structs.replace(bad, latency_ms=None)
    spool.append([first, bad, last])
    spool.seal()
    (segment,) = claim_all(spool.folder)
    header = segment.header()
    assert header is not None
    batch = segment.read(header[1], EVERYTHING)
    assert batch.records == [first, last]
    assert batch.undecodable == [msgspec.msgpack.encode(bad)]


def test_two_workers_have_separate_files(tmp_path: Path, contract: Contract) -> None:
    one, two = (Spool(tmp_path, contract.feature_names) for _ in range(2))
    one.append(make_records(contract, 3, prefix="one"))
    two.append(make_records(contract, 2, prefix="two"))
    assert list(claim_all(tmp_path)) == []
    one.close()
    (file,) = claim_all(tmp_path)
    found = file.header()
    assert found is not None
    assert [r.request_id for r in file.read(found[1], EVERYTHING).records] == ["one0", "one1", "one2"]
    assert Segment.claim(file.path) is None  # the claiming process holds the lock
    file.delete()
    assert [r.request_id for r in drained(two)] == ["two0", "two1"]
    two.close()


_APPEND_UNTIL_KILLED = """
import itertools, sys
from pathlib import Path
import msgspec
from pmmds_core.contracts.contract import load_contract
from pmmds_serving.spool.spool import Spool
from pmmds_tests.harness.prediction_records import make_records
contract = load_contract("")
spool = Spool(Path(sys.argv[1]), contract.feature_names)
(record,) = make_records(contract, 1)
for i in itertools.count():
    spool.append([msgspec.structs.replace(record, request_id=f"r{i}")])
    print(f"r{i}", flush=True)
"""


def test_no_acknowledged_record_is_lost_if_a_worker_is_killed(tmp_path: Path, contract: Contract) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _APPEND_UNTIL_KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        acknowledged = [worker.stdout.readline().strip() for _ in range(500)]
        assert Segment.claim(spool_path(tmp_path)) is None  # its worker runs
        worker.send_signal(signal.SIGKILL)
        acknowledged += worker.stdout.read().split()
    found, file = adopted(spool_path(tmp_path))
    file.close()
    assert [r.request_id for r in found][: len(acknowledged)] == acknowledged
    assert len(found) - len(acknowledged) in (0, 1)
