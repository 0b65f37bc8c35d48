"""The spool keeps whole records only: after a cut, a flipped bit, a full disk, a killed worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.prediction_log import PredictionRecord
from pmmds_serving.segment import DAMAGED_SUFFIX, SUFFIX, Batch, Segment
from pmmds_serving.spool import Spool, SpoolLimits, SpoolWriteError
from pmmds_tests.stores.records import make_records

EVERYTHING = 10**6


def spool_path(folder: Path) -> Path:
    (path,) = folder.glob(f"*{SUFFIX}")
    return path


def batch_of(spool: Spool, n_frames: int) -> Batch:
    """The next batch, which there must be."""
    batch = spool.next_batch(n_frames)
    assert batch is not None
    return batch


def adopted(path: Path) -> tuple[list[PredictionRecord], Segment]:
    """All whole records of a file nobody holds."""
    file = Segment.adopt(path)
    assert file is not None
    found = file.header()
    return ([] if found is None else file.read(found[1], EVERYTHING).records), file


def abandoned_bytes(spool: Spool, records: list[PredictionRecord]) -> bytes:
    """What a worker with these records leaves when it dies."""
    spool.append(records)
    spool.close()
    return spool_path(spool.folder).read_bytes()


def test_records_come_back_in_order_and_as_they_were(spool: Spool, contract: Contract) -> None:
    records = make_records(contract, 25)
    spool.append(records[:1])
    spool.append(records[1:])
    assert batch_of(spool, EVERYTHING).records == records


def test_nothing_is_lost_between_batches(spool: Spool, contract: Contract) -> None:
    records = make_records(contract, 10)
    spool.append(records)
    found: list[PredictionRecord] = []
    while spool.backlog_bytes:
        batch = batch_of(spool, 3)
        found += batch.records
        spool.mark_shipped(batch)
    assert found == records


def test_a_batch_that_was_not_marked_is_read_again(spool: Spool, contract: Contract) -> None:
    spool.append(make_records(contract, 4))
    assert batch_of(spool, 2) == batch_of(spool, 2)


def test_a_missing_value_comes_back_as_none(spool: Spool, contract: Contract) -> None:
    (record,) = make_records(contract, 1, overrides={"total_charges": None, "contract": None})
    spool.append([record])
    assert batch_of(spool, 1).records == [record]


def test_a_shipped_spool_leaves_no_file(spool: Spool, contract: Contract) -> None:
    spool.append(make_records(contract, 3))
    spool.mark_shipped(batch_of(spool, EVERYTHING))
    spool.close()
    assert list(spool.folder.iterdir()) == []


def in_segments(folder: Path, contract: Contract) -> Spool:
    """A spool whose segments take about three records."""
    return Spool(folder, contract.feature_names, SpoolLimits(segment_bytes=1500))


def test_a_long_outage_makes_many_small_segments_and_shipping_deletes_them_one_by_one(
    tmp_path: Path, contract: Contract
) -> None:
    spool = in_segments(tmp_path, contract)
    records = make_records(contract, 30)
    for record in records:
        spool.append([record])
    n_files = len(list(tmp_path.iterdir()))
    assert n_files == spool.n_segments >= 8
    assert max(path.stat().st_size for path in tmp_path.iterdir()) <= 1500
    found: list[PredictionRecord] = []
    while spool.backlog_bytes:
        batch = batch_of(spool, EVERYTHING)
        found += batch.records
        spool.mark_shipped(batch)
        n_files = max(1, n_files - 1)
        assert len(list(tmp_path.iterdir())) == n_files
    assert found == records
    spool.close()
    assert list(tmp_path.iterdir()) == []


def test_a_call_that_is_larger_than_a_segment_is_kept_whole_in_one(tmp_path: Path, contract: Contract) -> None:
    spool = in_segments(tmp_path, contract)
    records = make_records(contract, 20)
    spool.append(records)
    assert len(list(tmp_path.iterdir())) == 1
    spool.append(records[:1])
    assert len(list(tmp_path.iterdir())) == 2
    assert batch_of(spool, EVERYTHING).records == records


def test_a_dead_workers_segments_are_adopted_in_their_order(tmp_path: Path, contract: Contract) -> None:
    dead = in_segments(tmp_path, contract)
    records = make_records(contract, 40)
    for record in records:
        dead.append([record])
    dead.close()
    heir = Spool(tmp_path, contract.feature_names)
    found: list[PredictionRecord] = []
    for segment in heir.abandoned():
        header = segment.header()
        assert header is not None
        found += segment.read(header[1], EVERYTHING).records
        segment.close()
    assert found == records


def test_nothing_is_taken_after_the_end(spool: Spool, contract: Contract) -> None:
    spool.close()
    with pytest.raises(SpoolWriteError):
        spool.append(make_records(contract, 1))


def test_a_tail_cut_at_any_byte_leaves_all_whole_records(tmp_path: Path, spool: Spool, contract: Contract) -> None:
    records = make_records(contract, 4)
    whole = abandoned_bytes(spool, records)
    before_last = len(abandoned_bytes(Spool(tmp_path / "shorter", contract.feature_names), records[:3]))
    path = tmp_path / f"cut{SUFFIX}"
    for size in range(before_last, len(whole)):
        path.write_bytes(whole[:size])
        found, file = adopted(path)
        file.close()
        assert found == records[:3], f"cut at byte {size}"


def test_a_header_cut_at_any_byte_leaves_an_empty_file(tmp_path: Path, contract: Contract) -> None:
    empty = Spool(tmp_path / "empty", contract.feature_names)
    whole = spool_path(empty.folder).read_bytes()
    empty.close()
    path = tmp_path / f"cut{SUFFIX}"
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        found, file = adopted(path)
        file.close()
        assert found == []


def test_a_flipped_bit_is_noticed_in_every_byte_of_a_record(tmp_path: Path, spool: Spool, contract: Contract) -> None:
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


def test_zeros_after_a_power_failure_are_no_records(tmp_path: Path, spool: Spool, contract: Contract) -> None:
    records = make_records(contract, 3)
    path = tmp_path / f"zeros{SUFFIX}"
    path.write_bytes(abandoned_bytes(spool, records) + bytes(4096))
    found, file = adopted(path)
    file.close()
    assert found == records


def test_a_frame_that_is_no_record_is_handed_over_as_it_is_and_the_reading_goes_on(
    spool: Spool, contract: Contract
) -> None:
    first, bad, last = make_records(contract, 3)
    bad = msgspec.structs.replace(bad, latency_ms=None)
    spool.append([first, bad, last])
    batch = batch_of(spool, EVERYTHING)
    assert batch.records == [first, last]
    assert batch.undecodable == [msgspec.msgpack.encode(bad)]


def test_damage_in_the_workers_own_file_stops_neither_it_nor_what_comes_after(spool: Spool, contract: Contract) -> None:
    records = make_records(contract, 3)
    spool.append(records[:2])
    path = spool_path(spool.folder)
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\xff")
    spool.mark_shipped(batch_of(spool, 1))
    assert spool.next_batch(1) is None
    assert path.with_name(path.name + DAMAGED_SUFFIX).exists()
    spool.append(records[2:])
    assert batch_of(spool, EVERYTHING).records == records[2:]
    assert spool.backlog_bytes > 0


def test_two_workers_have_a_file_each_and_leave_the_others_alone(tmp_path: Path, contract: Contract) -> None:
    one, two = (Spool(tmp_path, contract.feature_names) for _ in range(2))
    one.append(make_records(contract, 3, prefix="one"))
    two.append(make_records(contract, 2, prefix="two"))
    assert list(two.abandoned()) == []
    one.close()
    (file,) = two.abandoned()
    found = file.header()
    assert found is not None
    assert [r.request_id for r in file.read(found[1], EVERYTHING).records] == ["one0", "one1", "one2"]
    assert Segment.adopt(file.path) is None  # locked by the adopter
    file.delete()
    assert [r.request_id for r in batch_of(two, EVERYTHING).records] == ["two0", "two1"]
    two.close()


_APPEND_UNTIL_KILLED = """
import itertools, sys
from pathlib import Path
import msgspec
from pmmds_core.contracts.contract import load_contract
from pmmds_serving.spool import Spool
from pmmds_tests.stores.records import make_records
contract = load_contract("")
spool = Spool(Path(sys.argv[1]), contract.feature_names)
(record,) = make_records(contract, 1)
for i in itertools.count():
    spool.append([msgspec.structs.replace(record, request_id=f"r{i}")])
    print(f"r{i}", flush=True)
"""


def test_a_killed_worker_loses_nothing_that_it_acknowledged(tmp_path: Path, contract: Contract) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _APPEND_UNTIL_KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        acknowledged = [worker.stdout.readline().strip() for _ in range(500)]
        assert Segment.adopt(spool_path(tmp_path)) is None  # it lives
        worker.send_signal(signal.SIGKILL)
        acknowledged += worker.stdout.read().split()
    found, file = adopted(spool_path(tmp_path))
    file.close()
    assert [r.request_id for r in found][: len(acknowledged)] == acknowledged
    assert len(found) - len(acknowledged) in (0, 1)
