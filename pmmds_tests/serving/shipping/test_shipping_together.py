"""Small segments share a transaction, and a rejected one does not block the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import DatabaseUnavailableError
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.predictions.log import Appended, PredictionLog, PredictionRecord
from pmmds_serving.shipping import orphans
from pmmds_serving.shipping.shipper import Shipper
from pmmds_serving.spool.segment import DAMAGED_SUFFIX, SUFFIX, Segment, encode_record
from pmmds_tests.harness.prediction_records import make_records


class _Counting:
    """A log that counts the rows of each transaction and fails in transaction number `away_at`."""

    def __init__(self, log: PredictionLog, away_at: int = -1) -> None:
        self._log = log
        self._away_at = away_at
        self.n_rows: list[int] = []

    def add(self, records: Sequence[PredictionRecord]) -> Appended:
        self.n_rows.append(len(records))
        if len(self.n_rows) == self._away_at:
            raise DatabaseUnavailableError("The database cannot be reached.")
        return self._log.add(records)


def released(folder: Path, contract: Contract, parts: Sequence[Sequence[PredictionRecord]]) -> list[Path]:
    """Write one segment per part, released in order."""
    folder.mkdir(exist_ok=True)
    paths = []
    for i, part in enumerate(parts):
        segment = Segment.create(folder, f"worker-{i:03d}", contract.feature_names)
        segment.write(b"".join(map(encode_record, part)))
        segment.close()
        paths.append(segment.path)
    return paths


def shipper_of(folder: Path, log: object, contract: Contract) -> Shipper:
    return Shipper(folder, lambda: log, contract.feature_names)  # type: ignore[arg-type,return-value]


def in_parts(records: Sequence[PredictionRecord], size: int) -> list[Sequence[PredictionRecord]]:
    return [records[start : start + size] for start in range(0, len(records), size)]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(f"*{SUFFIX}*"))


def test_many_small_segments_share_one_transaction(tmp_path: Path, log: PredictionLog, contract: Contract) -> None:
    records = make_records(contract, 300)
    released(tmp_path, contract, in_parts(records, 10))
    counting = _Counting(log)
    shipper = shipper_of(tmp_path, counting, contract)
    assert shipper.ship()
    assert counting.n_rows == [300]
    assert shipper.state.n_shipped == 300
    assert log.find([r.request_id for r in records]) == {r.request_id: r for r in records}
    assert left(tmp_path) == []


def test_open_files_are_limited(
    tmp_path: Path, log: PredictionLog, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "TOGETHER_SEGMENTS", 4)
    released(tmp_path, contract, in_parts(make_records(contract, 90), 10))
    counting = _Counting(log)
    assert shipper_of(tmp_path, counting, contract).ship()
    assert counting.n_rows == [40, 40, 10]


def test_a_large_segment_is_shipped_alone(
    tmp_path: Path, log: PredictionLog, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = released(tmp_path, contract, in_parts(make_records(contract, 60), 20))
    monkeypatch.setattr(orphans, "TOGETHER_BYTES", paths[0].stat().st_size)
    counting = _Counting(log)
    assert shipper_of(tmp_path, counting, contract).ship()
    assert counting.n_rows == [20, 20, 20]


def test_a_rejected_row_delays_only_its_own_segment(tmp_path: Path, log: PredictionLog, contract: Contract) -> None:
    records = make_records(contract, 30)
    records[15] = msgspec.structs.replace(records[15], prediction=2**63)
    paths = released(tmp_path, contract, in_parts(records, 10))
    shipper = shipper_of(tmp_path, log, contract)
    assert not shipper.ship()
    assert left(tmp_path) == [paths[1].name, paths[2].name], "the segment before it was shipped"
    while not shipper.ship():
        assert left(tmp_path) == [paths[1].name, paths[2].name]
    assert log.count() == 29
    assert shipper.state.n_dead_letters == 1
    assert left(tmp_path) == []


def test_an_outage_leaves_the_whole_group(tmp_path: Path, log: PredictionLog, contract: Contract) -> None:
    paths = released(tmp_path, contract, in_parts(make_records(contract, 30), 10))
    shipper = shipper_of(tmp_path, _Counting(log, away_at=1), contract)
    assert not shipper.ship()
    assert (log.count(), shipper.state.n_shipped) == (0, 0)
    assert left(tmp_path) == [path.name for path in paths]
    assert shipper.ship(), "no segment is locked anymore"
    assert log.count() == 30


def test_a_crash_between_commit_and_deletion_duplicates_no_row(
    tmp_path: Path, open_again: Callable[[], Database], log: PredictionLog, contract: Contract
) -> None:
    records = make_records(contract, 60)
    released(tmp_path, contract, in_parts(records, 10))
    log.append(records[:45])  # rows of one and a half groups
    counting = _Counting(PredictionLog(open_again(), contract))
    assert shipper_of(tmp_path, counting, contract).ship()
    assert counting.n_rows == [60]
    assert log.count() == 60


def test_damaged_segments_and_those_of_another_contract_are_set_aside(
    tmp_path: Path, log: PredictionLog, contract: Contract
) -> None:
    paths = released(tmp_path, contract, in_parts(make_records(contract, 30), 10))
    content = bytearray(paths[1].read_bytes())
    content[-1] ^= 1
    paths[1].write_bytes(content)
    stranger = Segment.create(tmp_path, "worker-001-a", ("age",))
    stranger.close()
    assert shipper_of(tmp_path, log, contract).ship()
    assert log.count() == 29
    assert left(tmp_path) == [f"worker-001-a{SUFFIX}{orphans.OTHER_CONTRACT_SUFFIX}", paths[1].name + DAMAGED_SUFFIX]
