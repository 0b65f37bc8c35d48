"""A full spool rejects records, or drops the oldest segment and counts its rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pmmds_core.contracts.contract import Contract
from pmmds_core.stores.predictions.log import PredictionRecord
from pmmds_serving.spool.segment import Segment, claim_all
from pmmds_serving.spool.spool import Spool, SpoolFullError, SpoolLimits
from pmmds_tests.harness.prediction_records import make_records
from pmmds_tests.serving.spool.test_spool import drained, taken_from

MOST = 12_000


@pytest.fixture
def rejecting(tmp_path: Path, contract: Contract) -> Spool:
    return Spool(tmp_path, contract.feature_names, SpoolLimits(MOST, "reject"))


@pytest.fixture
def dropping(tmp_path: Path, contract: Contract) -> Spool:
    return Spool(tmp_path, contract.feature_names, SpoolLimits(MOST, "drop_oldest"))


def append_each(spool: Spool, records: list[PredictionRecord]) -> list[PredictionRecord]:
    """Append the records one by one; return those that were accepted."""
    taken = []
    for record in records:
        try:
            spool.append([record])
        except SpoolFullError:
            continue
        taken.append(record)
    return taken


def test_a_full_spool_rejects_records_until_some_are_shipped(rejecting: Spool, contract: Contract) -> None:
    full = [rejecting.is_full]
    taken = append_each(rejecting, make_records(contract, 200))
    assert 20 < len(taken) < 200
    full.append(rejecting.is_full)
    assert MOST - 500 < rejecting.backlog_bytes <= MOST
    with pytest.raises(SpoolFullError, match="PMMDS_SPOOL_MAX_BYTES is 12,000"):
        rejecting.append(make_records(contract, 1))
    rejecting.seal()
    shipped = taken_from(rejecting.folder)
    rejecting.hand_over()
    assert [*full, rejecting.is_full] == [False, True, False]
    more = append_each(rejecting, make_records(contract, 5, prefix="more"))
    assert shipped + drained(rejecting) == taken + more
    assert rejecting.n_dropped == 0


def test_a_batch_larger_than_the_spool_is_rejected_by_both_policies(dropping: Spool, contract: Contract) -> None:
    dropping.append(make_records(contract, 3))
    with pytest.raises(SpoolFullError):
        dropping.append(make_records(contract, 200))
    assert len(drained(dropping)) == 3


def test_a_batch_that_never_fits_does_not_mark_the_spool_full(rejecting: Spool, contract: Contract) -> None:
    with pytest.raises(SpoolFullError):
        rejecting.append(make_records(contract, 200))
    assert not rejecting.is_full


def test_a_rejected_batch_marks_the_spool_full_until_rows_are_shipped(rejecting: Spool, contract: Contract) -> None:
    rejecting.append(make_records(contract, 30))
    with pytest.raises(SpoolFullError):
        rejecting.append(make_records(contract, 30))
    full = [rejecting.is_full]
    drained(rejecting)
    rejecting.hand_over()
    assert [*full, rejecting.is_full] == [True, False]


def test_the_oldest_segment_is_dropped_and_every_row_counted(dropping: Spool, contract: Contract) -> None:
    records = make_records(contract, 300)
    with capture_logs() as reported:
        assert append_each(dropping, records) == records
    assert dropping.backlog_bytes <= MOST
    assert not dropping.is_full
    kept = drained(dropping)
    assert kept == records[-len(kept) :]
    assert len(kept) > 20
    assert dropping.n_dropped == 300 - len(kept)
    assert sum(line["n_records"] for line in reported if line["event"] == "spool_dropped") == dropping.n_dropped
    dropping.sync()
    dropping.close()
    assert list(dropping.folder.iterdir()) == []


@pytest.mark.parametrize("arrives", [True, False])
def test_a_segment_claimed_by_the_shipper_is_not_dropped(arrives: bool, dropping: Spool, contract: Contract) -> None:
    records = make_records(contract, 100)
    dropping.append(records[:1])
    dropping.seal()
    (held,) = claim_all(dropping.folder)  # the shipper has claimed the segment
    assert append_each(dropping, records[1:]) == records[1:]
    assert held.path.exists()
    if arrives:
        held.delete()
    else:
        held.close()
    found = drained(dropping)
    assert (records[0] in found) is not arrives
    assert arrives + len(found) + dropping.n_dropped == 100


def test_an_already_shipped_segment_is_not_counted_as_dropped(dropping: Spool, contract: Contract) -> None:
    records = make_records(contract, 100)
    dropping.append(records[:10])
    dropping.seal()
    assert taken_from(dropping.folder) == records[:10]
    assert append_each(dropping, records[10:]) == records[10:]
    assert 10 + len(drained(dropping)) + dropping.n_dropped == 100


def test_a_spool_with_all_segments_claimed_rejects_records(tmp_path: Path, contract: Contract) -> None:
    spool = Spool(tmp_path, contract.feature_names, SpoolLimits(MOST, "drop_oldest"))
    spool.append(make_records(contract, 30))
    spool.seal()
    held: list[Segment] = list(claim_all(tmp_path))
    with pytest.raises(SpoolFullError):
        spool.append(make_records(contract, 30, prefix="more"))
    for segment in held:
        segment.close()
    spool.append(make_records(contract, 30, prefix="more"))
    assert spool.n_dropped == 30


def test_one_batch_may_drop_all_waiting_segments(dropping: Spool, contract: Contract) -> None:
    first, second = make_records(contract, 2), make_records(contract, 40, prefix="s")
    dropping.append(first)
    dropping.append(second)
    kept = drained(dropping)
    assert kept[-40:] == second
    assert dropping.n_dropped + len(kept) == 42
