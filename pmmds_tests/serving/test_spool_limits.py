"""A spool that holds as much as it may: it refuses, or gives up the oldest segment and counts every row of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.prediction_log import PredictionRecord
from pmmds_serving.segment import Batch, Segment
from pmmds_serving.spool import Spool, SpoolFullError, SpoolLimits
from pmmds_tests.serving.test_spool import EVERYTHING, batch_of
from pmmds_tests.stores.records import make_records

MOST = 12_000


@pytest.fixture
def rejecting(tmp_path: Path, contract: Contract) -> Spool:
    return Spool(tmp_path, contract.feature_names, SpoolLimits(MOST, "reject"))


@pytest.fixture
def dropping(tmp_path: Path, contract: Contract) -> Spool:
    return Spool(tmp_path, contract.feature_names, SpoolLimits(MOST, "drop_oldest"))


def drained(spool: Spool) -> list[PredictionRecord]:
    found: list[PredictionRecord] = []
    while (batch := spool.next_batch(EVERYTHING)) is not None:
        found += batch.records
        spool.mark_shipped(batch)
    return found


def append_each(spool: Spool, records: list[PredictionRecord]) -> list[PredictionRecord]:
    """Those that were taken."""
    taken = []
    for record in records:
        try:
            spool.append([record])
        except SpoolFullError:
            continue
        taken.append(record)
    return taken


def test_a_full_spool_refuses_and_takes_again_when_something_is_shipped(rejecting: Spool, contract: Contract) -> None:
    full = [rejecting.is_full]
    taken = append_each(rejecting, make_records(contract, 200))
    assert 20 < len(taken) < 200
    full.append(rejecting.is_full)
    assert MOST - 500 < rejecting.backlog_bytes <= MOST
    with pytest.raises(SpoolFullError, match="wait for the database already, and PMMDS_SPOOL_MAX_BYTES is 12,000"):
        rejecting.append(make_records(contract, 1))
    shipped = batch_of(rejecting, 10)
    rejecting.mark_shipped(shipped)
    assert [*full, rejecting.is_full] == [False, True, False]
    more = append_each(rejecting, make_records(contract, 5, prefix="more"))
    assert shipped.records + drained(rejecting) == taken + more
    assert rejecting.n_dropped == 0


def test_a_call_that_is_larger_than_all_room_is_refused_by_either(dropping: Spool, contract: Contract) -> None:
    dropping.append(make_records(contract, 3))
    with pytest.raises(SpoolFullError):
        dropping.append(make_records(contract, 200))
    assert len(drained(dropping)) == 3


def test_a_call_that_never_fits_does_not_make_the_spool_full(rejecting: Spool, contract: Contract) -> None:
    with pytest.raises(SpoolFullError):
        rejecting.append(make_records(contract, 200))
    assert not rejecting.is_full


def test_a_smaller_call_that_is_refused_makes_it_full_until_something_is_shipped(
    rejecting: Spool, contract: Contract
) -> None:
    rejecting.append(make_records(contract, 30))
    with pytest.raises(SpoolFullError):
        rejecting.append(make_records(contract, 30))
    full = [rejecting.is_full]
    rejecting.mark_shipped(batch_of(rejecting, 1))
    assert [*full, rejecting.is_full] == [True, False]


def test_a_segment_given_up_while_it_is_read_is_not_shipped_too(
    dropping: Spool, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = make_records(contract, 100)
    dropping.append(records[:1])
    plain = Segment.read

    def read(segment: Segment, start: int, n_frames: int) -> Batch:
        batch = plain(segment, start, n_frames)
        monkeypatch.setattr(Segment, "read", plain)
        append_each(dropping, records[1:])
        return batch

    monkeypatch.setattr(Segment, "read", read)
    found = drained(dropping)
    assert records[0] not in found
    assert len(found) + dropping.n_dropped == 100


def test_the_oldest_segment_is_given_up_and_every_row_of_it_is_counted(dropping: Spool, contract: Contract) -> None:
    records = make_records(contract, 300)
    with capture_logs() as told:
        assert append_each(dropping, records) == records
    assert dropping.backlog_bytes <= MOST
    assert not dropping.is_full
    kept = drained(dropping)
    assert kept == records[-len(kept) :]
    assert len(kept) > 20
    assert dropping.n_dropped == 300 - len(kept)
    assert sum(line["n_records"] for line in told if line["event"] == "spool_dropped") == dropping.n_dropped
    dropping.sync()
    dropping.close()
    assert list(dropping.folder.iterdir()) == []


@pytest.mark.parametrize("arrives", [True, False])
def test_rows_on_their_way_when_their_segment_is_given_up_are_counted_only_when_they_do_not_arrive(
    arrives: bool, dropping: Spool, contract: Contract
) -> None:
    records = make_records(contract, 100)
    dropping.append(records[:1])
    batch: Batch = batch_of(dropping, EVERYTHING)
    assert append_each(dropping, records[1:]) == records[1:]
    arrived = batch.records if arrives else []
    if arrives:
        dropping.mark_shipped(batch)
    arrived = arrived + drained(dropping)
    assert len(arrived) + dropping.n_dropped == 100
    assert len({r.request_id for r in arrived}) == len(arrived)


def test_one_call_may_push_out_everything_that_waits(dropping: Spool, contract: Contract) -> None:
    first, second = make_records(contract, 2), make_records(contract, 40, prefix="s")
    dropping.append(first)
    dropping.append(second)
    kept = drained(dropping)
    assert kept[-40:] == second
    assert dropping.n_dropped + len(kept) == 42
