"""Rows that a reachable database rejects become dead letters and delay no other row, on both engines."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError, StatementError
from structlog.testing import capture_logs

from pmmds_core.contracts.contract import Contract
from pmmds_core.errors import DatabaseUnavailableError, SchemaOutdatedError
from pmmds_core.stores.predictions.log import Appended, PredictionLog, PredictionRecord
from pmmds_serving.shipping.dead_letters import DeadLetter, DeadLetters, dead_frame
from pmmds_serving.shipping.delivery import is_about_a_row
from pmmds_serving.shipping.shipper import MAX_ATTEMPTS, Shipper
from pmmds_serving.spool.spool import Spool
from pmmds_tests.harness.prediction_records import make_records
from pmmds_tests.harness.service_process import wait_until
from pmmds_tests.harness.shippers import ship, shipping

TOO_LARGE = 2**63


def with_poison(contract: Contract, n_rows: int, *poisoned: int) -> list[PredictionRecord]:
    """Return records, some of which contain a number that no column accepts."""
    records = make_records(contract, n_rows)
    for i in poisoned:
        (bad,) = make_records(contract, 1, overrides={"tenure": TOO_LARGE}, prefix=f"bad{i}-")
        records[i] = bad
    return records


def dead_letters(spool: Spool) -> list[dict[str, Any]]:
    """Return all dead letters, in order of file names."""
    files = sorted((spool.folder / "dead-letters").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines()]


def test_only_the_bad_rows_of_a_batch_become_dead_letters(
    shipper: Shipper, spool: Spool, log: PredictionLog, contract: Contract
) -> None:
    records = with_poison(contract, 200, 0, 77, 199)
    spool.append(records)
    with capture_logs() as reported:
        for _ in range(MAX_ATTEMPTS - 1):
            assert not ship(spool, shipper)
            assert (log.count(), dead_letters(spool)) == (0, [])
        assert ship(spool, shipper)
    good = [r for r in records if not r.request_id.startswith("bad")]
    assert log.find([r.request_id for r in records]) == {r.request_id: r for r in good}
    assert [line["record"]["request_id"] for line in dead_letters(spool)] == ["bad0-0", "bad77-0", "bad199-0"]
    assert shipper.state.n_dead_letters == shipper.dead_letters.n_kept() == 3
    assert (shipper.state.n_shipped, shipper.state.problem, spool.backlog_bytes) == (197, "", 0)
    (line,) = [line for line in reported if line["event"] == "dead_letters"]
    assert (line["n_records"], line["log_level"]) == (3, "error")
    assert str(TOO_LARGE) not in str(reported)


def test_a_dead_letter_is_complete_and_readable_only_by_its_owner(
    shipper: Shipper, spool: Spool, contract: Contract
) -> None:
    (record,) = with_poison(contract, 1, 0)
    spool.append([record])
    for _ in range(MAX_ATTEMPTS):
        ship(spool, shipper)
    (path,) = (spool.folder / "dead-letters").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = msgspec.json.decode(path.read_bytes(), type=DeadLetter)
    assert (found.record, found.feature_names) == (record, contract.feature_names)
    assert found.error_type in ("OverflowError", "DataError")
    spool.close()
    assert [p.name for p in spool.folder.iterdir()] == ["dead-letters"]


def test_an_undecodable_frame_becomes_a_dead_letter(
    shipper: Shipper, spool: Spool, log: PredictionLog, contract: Contract
) -> None:
    good, odd = make_records(contract, 2)
    odd = msgspec.structs.replace(odd, probability="high")
    spool.append([good, odd])
    assert ship(spool, shipper)
    assert log.count() == 1
    (line,) = dead_letters(spool)
    assert (line["error_type"], base64.b64decode(line["raw"])) == ("UndecodableFrame", msgspec.msgpack.encode(odd))


def test_rows_after_a_poison_row_are_shipped(
    shipper: Shipper, spool: Spool, log: PredictionLog, contract: Contract
) -> None:
    with shipping(shipper, spool):
        spool.append(with_poison(contract, 10, 5))
        wait_until(lambda: log.count() == 9)
        spool.append(make_records(contract, 10, prefix="after"))
        wait_until(lambda: log.count() == 19)
    assert len(dead_letters(spool)) == 1


def test_a_poison_row_of_a_dead_worker_becomes_a_dead_letter(
    spool: Spool, log: PredictionLog, contract: Contract
) -> None:
    spool.append(with_poison(contract, 10, 3))
    spool.close()
    with shipping(Shipper(spool.folder, lambda: log, contract.feature_names)):
        wait_until(lambda: log.count() == 9)
        wait_until(lambda: list(spool.folder.glob("*.spool")) == [])
    assert len(dead_letters(spool)) == 1


@pytest.mark.parametrize("error", [DatabaseUnavailableError("away"), SchemaOutdatedError("old"), OSError(28, "full")])
def test_an_unavailable_database_creates_no_dead_letters(error: Exception, spool: Spool, contract: Contract) -> None:
    class Away:
        def add(self, _: list[PredictionRecord]) -> Appended:
            raise error

    away: Any = Away()
    shipper = Shipper(spool.folder, lambda: away, contract.feature_names)
    spool.append(with_poison(contract, 10, 3))
    for _ in range(50 * MAX_ATTEMPTS):
        assert not ship(spool, shipper)
    assert dead_letters(spool) == []
    assert spool.backlog_bytes > 0


def test_an_outage_while_isolating_rows_creates_no_dead_letters(
    spool: Spool, log: PredictionLog, contract: Contract
) -> None:
    calls: list[int] = []

    class Flickering:
        def add(self, records: list[PredictionRecord]) -> Appended:
            calls.append(len(records))
            if len(calls) == MAX_ATTEMPTS + 3:
                raise DatabaseUnavailableError("away")
            return log.add(records)

    flickering: Any = Flickering()
    shipper = Shipper(spool.folder, lambda: flickering, contract.feature_names)
    records = with_poison(contract, 64, 40)
    spool.append(records)
    for _ in range(MAX_ATTEMPTS):
        assert not ship(spool, shipper)
    assert dead_letters(spool) == []
    assert ship(spool, shipper)
    assert log.count() == 63
    assert len(dead_letters(spool)) == 1


def test_an_unwritable_dead_letter_leaves_the_row_in_the_spool(
    shipper: Shipper, spool: Spool, log: PredictionLog, contract: Contract
) -> None:
    in_the_way = spool.folder / "dead-letters"
    in_the_way.touch()
    spool.append(with_poison(contract, 10, 3))
    for _ in range(2 * MAX_ATTEMPTS):
        assert not ship(spool, shipper)
    assert spool.backlog_bytes > 0
    in_the_way.unlink()
    assert ship(spool, shipper)
    assert (log.count(), len(dead_letters(spool)), spool.backlog_bytes) == (9, 1, 0)


def test_the_count_covers_all_files_in_the_folder(tmp_path: Path) -> None:
    one, two = (DeadLetters(tmp_path / "dead") for _ in range(2))
    assert one.n_kept() == 0
    one.write([dead_frame(b"a"), dead_frame(b"b")])
    two.write([dead_frame(b"c")])
    assert (one.n_kept(), two.n_kept()) == (3, 3)
    two.write([dead_frame(b"d")])
    assert (one.n_kept(), one.n_written) == (4, 2)
    for path in (tmp_path / "dead").iterdir():
        path.unlink()  # handled manually
    assert one.n_kept() == 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (IntegrityError("", {}, Exception()), True),
        (DataError("", {}, Exception()), True),
        (DataError("", {}, Exception(), connection_invalidated=True), False),
        (StatementError("", "", {}, ValueError()), True),
        (OverflowError(), True),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, ""), True),
        (OperationalError("", {}, Exception()), False),
        (InterfaceError("", {}, Exception()), False),
        (DatabaseUnavailableError(""), False),
        (ConnectionResetError(), False),
        (MemoryError(), False),
        (RuntimeError(), False),
    ],
)
def test_only_errors_caused_by_a_value_count_as_row_errors(error: Exception, expected: bool) -> None:
    assert is_about_a_row(error) is expected
