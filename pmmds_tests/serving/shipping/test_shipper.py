"""The shipper logs every spooled row once despite crashes and outages, on both engines."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from structlog.testing import capture_logs

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import DatabaseUnavailableError
from pmmds_core.stores.database.engine import Database
from pmmds_core.stores.predictions.log import PredictionLog, PredictionRecord
from pmmds_serving.shipping.orphans import OTHER_CONTRACT_SUFFIX
from pmmds_serving.shipping.shipper import MAX_RETRY_SECONDS, Shipper, retry_seconds
from pmmds_serving.spool.segment import DAMAGED_SUFFIX, SUFFIX
from pmmds_serving.spool.spool import Spool
from pmmds_tests.harness.prediction_records import make_records
from pmmds_tests.harness.service_process import wait_until
from pmmds_tests.harness.shippers import ship, shipping


class _Door:
    """Controls access to the database. While it is closed, opening the log fails as in an outage."""

    def __init__(self, log: PredictionLog, *, is_open: bool = True) -> None:
        self._log = log
        self.is_open = is_open

    def __call__(self) -> PredictionLog:
        if not self.is_open:
            raise DatabaseUnavailableError("The database cannot be reached.")
        return self._log


def spool_files(spool: Spool) -> list[str]:
    return sorted(path.name for path in spool.folder.iterdir())


def test_every_row_is_logged_unchanged(shipper: Shipper, spool: Spool, log: PredictionLog, contract: Contract) -> None:
    records = make_records(contract, 2300)
    spool.append(records)
    assert ship(spool, shipper)
    assert log.find([r.request_id for r in records]) == {r.request_id: r for r in records}
    assert (spool.backlog_bytes, shipper.state.n_shipped) == (0, 2300)


def test_the_thread_ships_continuously_and_once_more_at_the_end(
    shipper: Shipper, spool: Spool, log: PredictionLog, contract: Contract
) -> None:
    records = make_records(contract, 40)
    with shipping(shipper, spool):
        spool.append(records[:30])
        wait_until(lambda: log.count() == 30)
        spool.append(records[30:])
    assert log.count() == 40
    assert spool_files(spool) == []


def test_a_crash_after_the_commit_duplicates_no_row(
    shipper: Shipper, spool: Spool, log: PredictionLog, contract: Contract
) -> None:
    records = make_records(contract, 50)
    spool.append(records)
    assert log.append(records[:30]) == 30  # the shipper crashed before it deleted the segment
    assert ship(spool, shipper)
    assert log.count() == 50


def test_the_spool_of_a_dead_worker_is_shipped_and_deleted(
    tmp_path: Path, spool: Spool, log: PredictionLog, contract: Contract
) -> None:
    records = make_records(contract, 1500)
    spool.append(records)
    log.append(records[:700])
    spool.close()
    assert Shipper(spool.folder, lambda: log, contract.feature_names).ship()
    assert log.find([r.request_id for r in records]) == {r.request_id: r for r in records}
    assert spool_files(spool) == []


def test_two_concurrent_shippers_log_each_row_once(
    tmp_path: Path, open_again: Callable[[], Database], log: PredictionLog, contract: Contract
) -> None:
    """Two shippers can run at the same time if the worker of the first was killed."""
    records = make_records(contract, 600)
    folder = tmp_path / "spool"
    spools = [Spool(folder, contract.feature_names) for _ in range(2)]
    logs = [PredictionLog(open_again(), contract) for _ in spools]
    one, two = (Shipper(folder, _Door(own), contract.feature_names) for own in logs)
    # The second shipper stops first, while the other's spool is still open.
    with shipping(one, spools[0]), shipping(two, spools[1], deadline_seconds=0.5):
        for i, record in enumerate(records):
            spools[i % 2].append([record])
    assert log.find([r.request_id for r in records]) == {r.request_id: r for r in records}
    assert log.count() == 600
    assert list(folder.iterdir()) == []


def test_rows_wait_while_the_database_is_unavailable(spool: Spool, log: PredictionLog, contract: Contract) -> None:
    door = _Door(log, is_open=False)
    shipper = Shipper(spool.folder, door, contract.feature_names)
    with shipping(shipper, spool):
        records = make_records(contract, 20)
        spool.append(records)
        wait_until(lambda: shipper.state.problem == "The database cannot be reached.")
        assert (log.count(), spool.backlog_bytes > 0) == (0, True)
        door.is_open = True
        wait_until(lambda: log.count() == 20)
        wait_until(lambda: shipper.state.problem == "")


def test_the_database_is_reopened_after_an_outage(
    spool: Spool,
    open_again: Callable[[], Database],
    database: Database,
    log: PredictionLog,
    contract: Contract,
) -> None:
    opened: list[Database] = []

    def log_of() -> PredictionLog:
        opened.append(open_again())
        return PredictionLog(opened[-1], contract)

    shipper = Shipper(spool.folder, log_of, contract.feature_names)
    records = make_records(contract, 30)
    spool.append(records[:10])
    assert ship(spool, shipper)
    hide_table(database, hidden=True)
    spool.append(records[10:])
    assert not ship(spool, shipper)
    assert "prediction_logs" in shipper.state.problem
    hide_table(database, hidden=False)
    assert ship(spool, shipper)
    assert log.count() == 30
    assert len(opened) == 2


def hide_table(database: Database, *, hidden: bool) -> None:
    names = ("prediction_logs", "hidden_logs") if hidden else ("hidden_logs", "prediction_logs")
    with database.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {names[0]} RENAME TO {names[1]}")


def test_a_failing_shipper_stops_on_time_and_keeps_the_spool(
    spool: Spool, log: PredictionLog, contract: Contract
) -> None:
    shipper = Shipper(spool.folder, _Door(log, is_open=False), contract.feature_names)
    with shipping(shipper, spool, deadline_seconds=86_400):  # the shipper must not wait until this deadline
        spool.append(make_records(contract, 5))
    assert len(spool_files(spool)) == 1


class _Broken:
    """A log that fails with an unexpected error."""

    def add(self, records: list[PredictionRecord]) -> int:
        raise RuntimeError(f"4711 {len(records)}")


def test_the_thread_survives_an_unexpected_error(spool: Spool, log: PredictionLog, contract: Contract) -> None:
    opened: list[Any] = [_Broken(), None, log]  # None has no attribute `add`, so this raises AttributeError
    shipper = Shipper(spool.folder, lambda: opened.pop(0) if len(opened) > 1 else log, contract.feature_names)
    spool.append(make_records(contract, 5))
    with capture_logs() as reported:
        assert not ship(spool, shipper)
    assert shipper.state.problem == "Rows could not be shipped: RuntimeError."
    (line,) = reported
    assert line["error_type"] == "RuntimeError"
    assert "test_shipper.py:" in line["place"]
    assert "4711" not in str(line)
    with shipping(shipper, spool):
        wait_until(lambda: log.count() == 5)
        wait_until(lambda: shipper.state.problem == "")


def test_retries_back_off_with_jitter() -> None:
    assert 0.05 <= retry_seconds(1) <= 0.1
    assert 0.1 <= retry_seconds(2) <= 0.2
    waits = [retry_seconds(10_000) for _ in range(50)]
    assert max(waits) <= MAX_RETRY_SECONDS
    assert min(waits) > MAX_RETRY_SECONDS / 2
    assert len(set(waits)) > 1


def abandon(folder: Path, names: tuple[str, ...], records: list[PredictionRecord]) -> Path:
    """Write the file of a dead worker with these records."""
    others = set(folder.glob(f"*{SUFFIX}"))
    dead = Spool(folder, names)
    dead.append(records)
    dead.close()
    (path,) = set(folder.glob(f"*{SUFFIX}")) - others
    return path


def test_a_spool_file_in_the_format_before_segments_is_shipped(
    shipper: Shipper, spool: Spool, log: PredictionLog, contract: Contract
) -> None:
    """The file contains the exact bytes of the format that preceded segments."""
    records = make_records(contract, 30)
    payloads = [msgspec.msgpack.encode({"feature_names": contract.feature_names})]
    payloads += [msgspec.msgpack.encode(record) for record in records]
    frames = (struct.pack("<II", len(p), zlib.crc32(p)) + p for p in payloads)
    path = spool.folder / "0123456789abcdef0123456789abcdef.spool"
    path.write_bytes(b"".join(frames) + b"\x07\x00")
    assert ship(spool, shipper)
    assert log.find([r.request_id for r in records]) == {r.request_id: r for r in records}
    assert path.with_name(path.name + DAMAGED_SUFFIX).exists()  # the file is set aside because its end is incomplete


def test_rows_from_before_a_new_feature_are_logged(spool: Spool, log: PredictionLog, contract: Contract) -> None:
    old_names = tuple(n for n in contract.feature_names if n != "tenure")
    (record,) = make_records(contract, 1)
    position = contract.feature_names.index("tenure")
    without = record.features[:position] + record.features[position + 1 :]
    abandon(spool.folder, old_names, [msgspec.structs.replace(record, features=without)])
    assert Shipper(spool.folder, lambda: log, contract.feature_names).ship()
    kept = log.find(["r0"])["r0"].features
    assert kept == (*record.features[:position], None, *record.features[position + 1 :])


def test_a_segment_of_another_contract_is_set_aside(
    shipper: Shipper, spool: Spool, log: PredictionLog, contract: Contract
) -> None:
    (record,) = make_records(contract, 1)
    path = abandon(spool.folder, ("age", "height"), [msgspec.structs.replace(record, features=(30, 180))])
    content = path.read_bytes()
    assert ship(spool, shipper)
    assert log.count() == 0
    assert path.with_name(path.name + OTHER_CONTRACT_SUFFIX).read_bytes() == content


def test_records_before_damage_are_logged_and_the_file_is_set_aside(
    shipper: Shipper, spool: Spool, log: PredictionLog, contract: Contract
) -> None:
    path = abandon(spool.folder, contract.feature_names, make_records(contract, 10))
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    assert ship(spool, shipper)
    assert 0 < log.count() < 10
    assert path.with_name(path.name + DAMAGED_SUFFIX).read_bytes() == damaged
    assert not path.exists()


def test_an_empty_file_of_a_dead_worker_is_deleted(shipper: Shipper, spool: Spool) -> None:
    (spool.folder / f"empty{SUFFIX}").touch()
    assert ship(spool, shipper)
    assert len(spool_files(spool)) == 1
